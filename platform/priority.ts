import { constants, setPriority } from "node:os";

/** A tick does not wait: where the system allows it, this process goes before those that may be late. */
export function raisePriority(): void {
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
  } catch {
    // Only a privileged process may; without it a busy machine makes more of what it does late.
  }
}
