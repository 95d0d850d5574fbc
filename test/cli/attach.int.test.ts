/** `conform` and `attach` as a user runs them, on real servers and a real table. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { createDocument } from "../../platform/aws.ts";
import { systemClock } from "../../platform/clock.ts";
import { listServers } from "../../platform/tables/servers.ts";
import { sharedCloud } from "../support/cloud.ts";
import { Place } from "../support/evenkeel.ts";
import { PlainServer, servePlain } from "../support/plain-server.ts";
import { SimDatabase } from "../support/sim-database.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const cloud = sharedCloud();
const environment = { ...process.env, ...cloud, EVENKEEL_SERVER_TOKEN: process.env.EVENKEEL_TOKEN };
const document = createDocument(cloud);
const directory = temporaryDirectory();
let place: Place;
let database: SimDatabase;
let plain: Awaited<ReturnType<typeof servePlain>>;

beforeAll(async () => {
  place = await Place.create();
  const parameters = { windowTicks: 10, tickMs: 100 };
  database = await SimDatabase.start({ serverId: "attached", directory: directory.path, parameters });
  plain = await servePlain(new PlainServer(systemClock, { unknownIs: 500, stamps: false, refusesForeign: false }));
});
afterAll(async () => {
  await database.stop();
  plain.http.close();
  plain.http.closeAllConnections();
  document.destroy();
  await place.remove();
  directory[Symbol.dispose]();
});

const evenkeel = (...args: string[]) => place.start(args, environment).finished;
const registered = async () =>
  (await listServers(document, cloud.EVENKEEL_SERVERS_TABLE)).find(({ serverId }) => serverId === "attached")
    ?.registration;

describe("conform", () => {
  it("tells call by call what is right and what deviates", async () => {
    const { status, stdout } = await evenkeel("conform", plain.url, "--seconds", "3");
    expect(stdout).toContain("POST /delay\n");
    expect(stdout).toContain("deviates  answers 404 for an id that is unknown or has run: 500");
    expect(stdout).toContain("costs little: 500 is taken for it");
    expect(stdout).toContain("deviates  stamps executions with their ticks (optional: tick, arrivedTick): no stamps");
    // How the delays went depends on how busy this machine is.
    expect([0, 1]).toContain(status);
  }, 60_000);

  it("finds ours to have every call, as JSON for machines", async () => {
    const { stdout } = await evenkeel("conform", database.url, "--seconds", "2", "--no-delay", "--json");
    const { findings } = JSON.parse(stdout);
    const of = (verdict: string, call: string) =>
      findings.filter(
        (finding: { verdict: string; call: string }) => finding.verdict === verdict && finding.call === call,
      ).length;
    for (const call of ["GET /server", "GET /stream", "POST /place", "every call"]) {
      expect([call, of("right", call) > 0, of("wrong", call) + of("deviates", call)]).toEqual([call, true, 0]);
    }
    expect(of("right", "POST /delay")).toBeGreaterThanOrEqual(5);
  }, 60_000);

  it("says in one line that nobody answers, or that the address may not be reached", async () => {
    const gone = await evenkeel("conform", "http://127.0.0.1:9");
    expect(gone).toMatchObject({ status: 3, stderr: expect.stringMatching(/^evenkeel: .*port 9 is not allowed.*\n$/) });
    const refused = await evenkeel("conform", "http://169.254.169.254/");
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining("link-local") });
    const nobody = await evenkeel("conform", "http://127.0.0.1:59999");
    expect(nobody).toMatchObject({ status: 3, stderr: expect.stringMatching(/^evenkeel: .*ECONNREFUSED.*\n$/) });
    expect(await evenkeel("conform")).toMatchObject({ status: 2 });
    expect(await evenkeel("conform", "http://127.0.0.1:9000", "--seconds", "x")).toMatchObject({ status: 2 });
  }, 60_000);
});

describe("attach", () => {
  it("registers a server that numbers its executions", async () => {
    expect(await registered()).toBeUndefined();
    const { status, stdout } = await evenkeel("attach", `${database.url}/`, "--seconds", "1");
    expect([status, stdout]).toEqual([0, expect.stringContaining("Registered: attached (numbers its executions)")]);
    expect(await registered()).toMatchObject({ serverId: "attached", url: database.url, kind: "native" });
  }, 60_000);

  it("does not register a plain server, and says how to tap it", async () => {
    const { status, stdout } = await evenkeel("attach", plain.url, "--seconds", "1");
    expect(status).toBe(1);
    expect(stdout).toContain(`EVENKEEL_SERVER_URL=${plain.url}`);
    expect(stdout).toContain("services/tap/main.ts");
  }, 60_000);

  it("needs a deployment", async () => {
    const { status, stderr } = await place.run("attach", database.url);
    expect([status, stderr]).toEqual([3, expect.stringContaining("no deployment to attach it to")]);
  }, 60_000);
});
