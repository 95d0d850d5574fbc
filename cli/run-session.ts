/** What commands that start a session and stay with it share. */
import { Listr, PRESET_TIMER } from "listr2";
import { assertDiskSpace } from "../local/disk.ts";
import { assertPortFree } from "../local/ports.ts";
import { assertNoRun, endLeftovers } from "../local/run-record.ts";
import type { Session } from "../local/session.ts";
import { exitStatus } from "./errors.ts";
import { print } from "./format.ts";

/** A port that the session will take, what for, and the option that chooses another. */
export type WantedPort = readonly [port: number, name: string, option: string];

/**
 * Ends what an earlier run left behind.
 * @throws LocalError in one line: no room on the disk, a session runs there already, a port is taken
 */
export async function prepareSession(directory: string, ports: readonly WantedPort[]): Promise<void> {
  assertDiskSpace(directory);
  assertNoRun(directory);
  const leftovers = await endLeftovers(directory);
  if (leftovers.length > 0) print(`ended what an earlier run left behind: ${leftovers.join(", ")}`);
  for (const [port, name, option] of ports) await assertPortFree(port, name, option);
}

/** Aborted by Ctrl-C and its like; a second one ends the process at once. */
export function interruption(): AbortSignal {
  const stop = new AbortController();
  const interrupt = () => {
    if (stop.signal.aborted) process.exit(exitStatus.trouble);
    stop.abort();
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, interrupt);
  // Whoever read the output has gone.
  process.stdout.on("error", () => stop.abort());
  return stop.signal;
}

export async function startSession(session: Session): Promise<void> {
  const tasks = session.steps.map(({ title, run }) => ({
    title,
    task: (_: unknown, task: { output: string }) =>
      run((detail) => {
        // Elsewhere each detail would be a line that stays.
        if (process.stdout.isTTY) task.output = detail;
      }),
  }));
  const rendererOptions = { showErrorMessage: false, collapseErrors: false, timer: PRESET_TIMER } as const;
  await new Listr(tasks, {
    registerSignalListeners: false,
    rendererOptions,
    fallbackRendererOptions: { timer: PRESET_TIMER },
  }).run();
}
