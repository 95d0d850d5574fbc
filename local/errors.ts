/** Something on this machine stands in the way. The message is one line: what is wrong, and what to do. */
export class LocalError extends Error {
  override readonly name = "LocalError";
}
