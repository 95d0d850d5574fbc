/** What a campaign leaves behind that was ended before its time. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, it } from "@jest/globals";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";
import { allProcesses, commandOf, parentOf, signal, startedBy } from "./processes.ts";

const long = process.env.EVENKEEL_LONG === "1";

const started: ChildProcess[] = [];
afterEach(() => {
  for (const child of started.splice(0)) child.kill("SIGKILL");
});

function start(args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...variables }, stdio: "ignore" });
  started.push(child);
  return child;
}

const becomes = <T>(ask: () => T, wanted: T) =>
  eventually(
    async () => ask(),
    (found) => found === wanted,
  );

async function expectNothingLeft(directory: string): Promise<void> {
  expect(await becomes(() => startedBy(directory).map(commandOf).join(), "")).toBe("");
  expect(await becomes(() => existsSync(directory), false)).toBe(false);
}

/** A campaign that does nothing but start a process, of which it loses sight, in a group of its own. */
const small = (directory: string) => `
  import { spawn } from "node:child_process";
  import { campaignVariable, startReaper } from ${JSON.stringify(new URL("processes.ts", import.meta.url))};
  if (process.argv[2] !== "alone") startReaper(${JSON.stringify(directory)});
  const env = { [campaignVariable]: ${JSON.stringify(directory)} };
  spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { env, stdio: "ignore", detached: true });
  if (process.argv[2] === "failing") throw new Error("half-way");
`;

describe("the end of a campaign", () => {
  it.each(["SIGTERM", "SIGINT", "SIGKILL", "failing"] as const)("leaves nothing behind: %s", async (how) => {
    using home = temporaryDirectory();
    const directory = `${home.path}/campaign`;
    mkdirSync(directory);
    writeFileSync(`${home.path}/small.ts`, small(directory));
    writeFileSync(`${home.path}/package.json`, '{"type":"module"}');
    const neighbour = start(["-e", "setInterval(() => {}, 1000)"], { NEIGHBOUR_OF: `${directory}-2` });
    const campaigning = start([`${home.path}/small.ts`, how]);
    const ended = once(campaigning, "exit");
    if (how !== "failing") {
      expect(await becomes(() => startedBy(directory).length, 1)).toBe(1);
      campaigning.kill(how);
    }
    await ended;
    await expectNothingLeft(directory);
    expect(neighbour.exitCode ?? neighbour.signalCode).toBeNull();
  });

  it("would be seen to leave a process behind", async () => {
    using home = temporaryDirectory();
    writeFileSync(`${home.path}/small.ts`, small(home.path));
    writeFileSync(`${home.path}/package.json`, '{"type":"module"}');
    const campaigning = start([`${home.path}/small.ts`, "alone"]);
    const ended = once(campaigning, "exit");
    expect(await becomes(() => startedBy(home.path).length, 1)).toBe(1);
    campaigning.kill("SIGKILL");
    await ended;
    const left = startedBy(home.path);
    for (const pid of left) signal(pid, "SIGKILL");
    expect(left).toHaveLength(1);
  });

  // The real processes and cloud take half a minute to come up.
  (long ? it : it.skip)(
    "leaves nothing behind of the whole loop",
    async () => {
      const campaigning = start(["test/faults/main.ts", "--kills", "1000"]);
      const ended = once(campaigning, "exit");
      const reaperOf = () =>
        allProcesses()
          .filter((pid) => parentOf(pid) === campaigning.pid)
          .map((pid) => commandOf(pid).split("\0"))
          .find(([, script]) => script?.endsWith("reaper.ts"));
      const reaper = await eventually(
        async () => reaperOf(),
        (found) => found !== undefined,
      );
      const directory = reaper?.[2] ?? "none";
      const isComplete = () => {
        const commands = startedBy(directory).map(commandOf).join();
        return ["ministack", "supervisor", "sim-server", "scheduler"].every((name) => commands.includes(name));
      };
      expect(await eventually(async () => isComplete(), Boolean, 120_000)).toBe(true);
      // As Ctrl-C by somebody without patience: the first one would still finish the fault at hand and check.
      const again = setInterval(() => campaigning.kill("SIGTERM"), 100);
      await ended;
      clearInterval(again);
      await expectNothingLeft(directory);
    },
    200_000,
  );
});
