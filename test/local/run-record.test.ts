import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { identify, type ProcessIdentity } from "../../local/process-identity.ts";
import { assertNoRun, endLeftovers, type RunRecord, readRun, writeRun } from "../../local/run-record.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const gone: ProcessIdentity = { pid: spawnSync("true").pid, started: "1" };

function record(supervisor: ProcessIdentity, processes: RunRecord["processes"] = []): RunRecord {
  const serverUrl = "http://127.0.0.1:9000";
  return { format: 1, startedAt: 0, supervisor, processes, serverId: "local", serverUrl, environment: {} };
}

/** A process of its own group, as `up` starts them, that SIGTERM does not end. */
async function startStubborn() {
  const script = "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready')";
  const child = spawn(process.execPath, ["-e", script], { detached: true, stdio: ["ignore", "pipe", "ignore"] });
  const exited = once(child, "exit");
  await once(child.stdout, "data");
  const identity = identify(child.pid ?? 0);
  if (!identity) throw new Error("not started");
  return { identity, exited };
}

describe("the record of a run", () => {
  it("keeps a second start away while the first one lives", () => {
    using place = temporaryDirectory();
    const parent = identify(process.ppid);
    if (!parent) throw new Error("no parent");
    writeRun(place.path, record(parent));
    expect(() => assertNoRun(place.path)).toThrow(/^it runs already \(process \d+\): .*evenkeel down/);
    writeRun(place.path, record(gone));
    expect(() => assertNoRun(place.path)).not.toThrow();
  });

  it("leads to what a killed run left behind, which is ended", async () => {
    using place = temporaryDirectory();
    const { identity, exited } = await startStubborn();
    writeRun(place.path, record(gone, [{ ...identity, name: "database", url: "http://127.0.0.1:9000" }]));
    expect(await endLeftovers(place.path, 200)).toEqual(["database"]);
    expect(await exited).toEqual([null, "SIGKILL"]);
    expect(readRun(place.path)).toBeUndefined();
  });

  it("never ends a process that only has the id of one of ours", async () => {
    using place = temporaryDirectory();
    const { identity, exited } = await startStubborn();
    const stranger = { pid: identity.pid, started: `${identity.started}0` };
    writeRun(place.path, record(gone, [{ ...stranger, name: "database", url: "http://127.0.0.1:9000" }]));
    expect(await endLeftovers(place.path, 200)).toEqual([]);
    expect(identify(identity.pid)).toEqual(identity);
    process.kill(identity.pid, "SIGKILL");
    await exited;
  });

  it("counts as none when it cannot be read", async () => {
    using place = temporaryDirectory();
    writeFileSync(join(place.path, "run.json"), '{"format": 2');
    expect(readRun(place.path)).toBeUndefined();
    expect(await endLeftovers(place.path)).toEqual([]);
  });
});
