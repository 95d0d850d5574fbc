/**
 * Kills what a campaign started and removes its directory (argument 1) once the campaign is over, also when it was killed:
 * a process of its own whose standard input the campaign holds open.
 */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { signal, startedBy } from "./processes.ts";

const [, , directory = ""] = process.argv;
if (directory === "") throw new Error("a directory is expected");
for await (const _ of process.stdin);

// What is killed may have been about to start another.
for (let quiet = 0; quiet < 3; ) {
  const left = startedBy(directory);
  for (const pid of left) signal(-pid, "SIGKILL") || signal(pid, "SIGKILL");
  quiet = left.length === 0 ? quiet + 1 : 0;
  await sleep(50);
}
rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
