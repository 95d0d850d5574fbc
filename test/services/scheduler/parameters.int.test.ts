import { randomUUID } from "node:crypto";
import { PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { afterAll, expect, it } from "@jest/globals";
import { clientOptions } from "../../../platform/aws.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { startScheduler } from "../../support/scheduler.ts";
import { SimDatabase } from "../../support/sim-database.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const environment = sharedCloud();
const ssm = new SSMClient(clientOptions(environment));
const directory = temporaryDirectory();
afterAll(() => {
  ssm.destroy();
  directory[Symbol.dispose]();
});

it("finds its server by a parameter, turns a knob that was changed, and ends when the server moves", async () => {
  const serverId = `parameters-${randomUUID().slice(0, 8)}`;
  const path = `/evenkeel/test/${serverId}`;
  const put = (name: string, Value: string) =>
    ssm.send(new PutParameterCommand({ Name: `${path}/${name}`, Value, Type: "String", Overwrite: true }));
  const database = await SimDatabase.start({ serverId, directory: directory.path });
  await put("server-url", database.url);
  const scheduler = await startScheduler(environment, { EVENKEEL_SERVER_URL: "", EVENKEEL_PARAMETERS: path });
  const exited = new Promise((resolve) => scheduler.child.once("exit", resolve));
  try {
    const status = await eventually(
      () => scheduler.status(),
      (seen) => seen?.serverId === serverId,
    );
    expect(status).toMatchObject({ serverId, serverUrl: database.url });
    await put("latency-p95-seconds", "4.25");
    const turned = await eventually(
      () => scheduler.status(),
      (seen) => seen?.knobs.latencyP95Seconds === 4.25,
    );
    expect(turned?.knobs.latencyP95Seconds).toBe(4.25);
    await put("server-url", "http://127.0.0.1:9");
    expect(await exited).toBe(0);
  } finally {
    scheduler.child.kill("SIGKILL");
    await database.stop();
  }
}, 60_000);
