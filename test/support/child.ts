import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Ends a process by a signal, unless it has ended, and waits until it has. */
export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  await exited;
}
