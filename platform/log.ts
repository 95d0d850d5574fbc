export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one JSON object a line: time, level, name, message, then the fields. */
export interface Log {
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

/** An error as one line: its message and those of its causes. */
export function describeError(error: unknown): string {
  if (!isError(error)) return String(error);
  const message = (error.message || error.name).replaceAll(/\s*\n\s*/g, " ");
  return error.cause === undefined ? message : `${message} (${describeError(error.cause)})`;
}

/** Also of another realm, as a test runner's is. */
function isError(value: unknown): value is Error {
  return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
}

/** @param write takes one line without its end; standard error by default */
export function createLog(
  name: string,
  write: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
): Log {
  const at = (level: string) => (message: string, fields?: LogFields) =>
    write(
      JSON.stringify({ time: new Date().toISOString(), level, name, message, ...fields }, (_, value: unknown) =>
        isError(value) ? describeError(value) : value,
      ),
    );
  return { info: at("info"), warn: at("warn"), error: at("error") };
}

/** A log whose lines all have these fields. */
export function logWith(log: Log, fields: LogFields): Log {
  return {
    info: (message, more) => log.info(message, { ...fields, ...more }),
    warn: (message, more) => log.warn(message, { ...fields, ...more }),
    error: (message, more) => log.error(message, { ...fields, ...more }),
  };
}

/** For tests and benches that print nothing. */
export const silentLog: Log = createLog("silent", () => {});
