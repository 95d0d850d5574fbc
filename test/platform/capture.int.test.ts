import { randomUUID } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { createDocument } from "../../platform/aws.ts";
import { createCapture } from "../../platform/capture.ts";
import { systemClock as clock } from "../../platform/clock.ts";
import { silentLog as log } from "../../platform/log.ts";
import { openOutbox } from "../../platform/outbox.ts";
import { listServers } from "../../platform/tables/servers.ts";
import { sharedCloud } from "../support/cloud.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** What stands in table `servers` of a server with these variables that listens at `url`. */
async function registered(variables: Readonly<Record<string, string>>, url: string): Promise<string | undefined> {
  using directory = temporaryDirectory();
  const environment = { ...sharedCloud(), ...variables };
  const serverId = `registered-${randomUUID().slice(0, 8)}`;
  const file = `${directory.path}/outbox.sqlite`;
  const outbox = openOutbox({ file, serverId, diskBoundBytes: 1e8, clock, log });
  const document = createDocument(environment);
  try {
    const stop = new AbortController();
    const running = createCapture({ environment, outbox, kind: "tap", clock, log }).run(url, stop.signal);
    const found = await eventually(
      async () => {
        const servers = await listServers(document, environment.EVENKEEL_SERVERS_TABLE);
        return servers.find((server) => server.serverId === serverId)?.registration;
      },
      (registration) => registration !== undefined,
    );
    stop.abort();
    await running;
    return found?.url;
  } finally {
    outbox.close();
    document.destroy();
  }
}

describe("a server's registration", () => {
  it("says where it listens, unless it is told where others reach it", async () => {
    expect(await registered({ HOST: "127.0.0.1" }, "http://127.0.0.1:9020")).toBe("http://127.0.0.1:9020");
    const behind = { HOST: "0.0.0.0", EVENKEEL_ADVERTISED_URL: "http://tap.internal:9020" };
    expect(await registered(behind, "http://0.0.0.0:9020")).toBe("http://tap.internal:9020");
  });

  it.each(["0.0.0.0", "::", "[::]", "::ffff:0.0.0.0"])("bound to '%s' needs to be told", async (HOST) => {
    await expect(registered({ HOST }, `http://${HOST}:9020`)).rejects.toThrow(
      `bound to all addresses (HOST=${HOST}): set EVENKEEL_ADVERTISED_URL`,
    );
  });

  it("takes no address that is none", async () => {
    await expect(registered({ EVENKEEL_ADVERTISED_URL: "tap:9020" }, "http://127.0.0.1:1")).rejects.toThrow(
      "environment: EVENKEEL_ADVERTISED_URL is wrong (an http or https URL is expected)",
    );
  });
});
