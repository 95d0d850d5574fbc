import { createServer, type Server } from "node:net";
import { LocalError } from "./errors.ts";

function listen(port: number): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer();
  server.once("error", reject);
  server.listen({ port, host: "127.0.0.1", exclusive: true }, () => resolve(server));
  return promise;
}

function close(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  return promise;
}

/** A port of the loopback interface that nothing listens on. */
export async function freePort(): Promise<number> {
  const server = await listen(0);
  const address = server.address();
  await close(server);
  if (address === null || typeof address === "string") throw new LocalError("no free port on this machine");
  return address.port;
}

/** @throws LocalError when `port` cannot be listened on; `option` is what the user turns to choose another one. */
export async function assertPortFree(port: number, purpose: string, option: string): Promise<void> {
  try {
    await close(await listen(port));
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const reason = code === "EADDRINUSE" ? "is taken by another program" : `cannot be used (${code})`;
    throw new LocalError(
      `port ${port}, for ${purpose}, ${reason}: stop that program, or choose another port with ${option}`,
      {
        cause,
      },
    );
  }
}
