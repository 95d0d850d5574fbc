/** What the commands' exit statuses mean. */
export const exitStatus = {
  /** Done, and what was asked for holds. */
  ok: 0,
  /** Done, and what was asked for does not hold: rows are missing, something does not run. */
  no: 1,
  /** The command line is wrong. */
  usage: 2,
  /** It could not be done: nothing runs here, a port is taken, the cloud does not answer. */
  trouble: 3,
} as const;
export type ExitStatus = (typeof exitStatus)[keyof typeof exitStatus];
