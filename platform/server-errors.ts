/** How calls to a database server fail. */

/** Any failure of a call to a database server; the message is one line for a person. */
export class ServerError extends Error {
  override readonly name: string = "ServerError";
}

/** No whole answer came. `received`: "no" when the request cannot have reached the server, else "unknown". */
export class ServerUnreachable extends ServerError {
  override readonly name = "ServerUnreachable";
  readonly received: "no" | "unknown";
  constructor(message: string, received: "no" | "unknown", cause: unknown) {
    super(message, { cause });
    this.received = received;
  }
}

/** The server answered with a status that says no. */
export class ServerRefused extends ServerError {
  override readonly name = "ServerRefused";
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** A scheduler with a higher fencing token is at work on this server. */
export class StaleFence extends ServerError {
  override readonly name = "StaleFence";
}

/** The server answered with something that is not of the API's form. */
export class BadAnswer extends ServerError {
  override readonly name = "BadAnswer";
}
