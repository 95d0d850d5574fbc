/** The console's app in the test's own process. */
import { systemClock as clock } from "../../platform/clock.ts";
import { type HttpApp, type Listening, listen } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import { silentLog as log } from "../../platform/log.ts";
import { HostUnavailable, type ServerHost } from "../../platform/server-api.ts";
import { createServerClient } from "../../platform/server-client.ts";
import type { HelloEvent, StreamEvent, TickEvent } from "../../platform/wire.ts";
import { createConsoleApp } from "../../services/console/app.ts";
import { Jobs } from "../../services/console/jobs/jobs.ts";
import { Hub } from "../../services/console/live/hub.ts";
import type { ConsoleStore } from "../../services/console/store.ts";

const away = async () => {
  throw new Error("the cloud is away");
};

/** Tables and queue that do not answer. */
export const awayStore: ConsoleStore = {
  costs: away,
  windows: away,
  executions: away,
  findExecution: away,
  recordedAt: away,
  queueDepth: away,
  audit: away,
};

interface Beside {
  readonly url: string;
  readonly store?: ConsoleStore;
  readonly keeps?: string;
  readonly access?: Access;
}

/** One without a scheduler, beside the server at `url`; it follows that once its hub runs. */
function createConsole({ url, store = awayStore, keeps = "", access = {} }: Beside): { app: HttpApp; hub: Hub } {
  const client = createServerClient({ url, clock, random: Math.random });
  const hub = new Hub({ client, scheduler: undefined, store, clock, log, keeps });
  return {
    app: createConsoleApp({ jobs: new Jobs(clock, log), hub, scheduler: undefined, store, log, access }),
    hub,
  };
}

/** One that follows nothing yet: of its parts none has answered. */
export function createIdleConsole(access: Access = {}): HttpApp {
  return createConsole({ url: "http://127.0.0.1:9999", access }).app;
}

export interface ServedConsole extends Listening {
  /** Ends when the signal aborts. */
  readonly running: Promise<void>;
}

/** Follows the server and serves what it knows of it, until `signal` aborts and it is closed. */
export async function serveConsole(beside: Beside, signal: AbortSignal, port = 0): Promise<ServedConsole> {
  const { app, hub } = createConsole(beside);
  const listening = await listen(app, { host: "127.0.0.1", port });
  return { ...listening, running: hub.run(signal) };
}

/** A server that does nothing but stream: `hello`, and what `next` makes of the number of each tick. */
export function streamingHost(
  hello: Pick<HelloEvent, "serverId" | "spread">,
  next: (tick: number) => Omit<TickEvent, "type" | "tick" | "at" | "arrived">,
): ServerHost & { tick(): void } {
  const listeners = new Set<(event: StreamEvent) => void>();
  let tick = 0;
  const away = () => {
    throw new HostUnavailable("away");
  };
  return {
    ...{ queue: away, resources: away, delay: away, place: away, info: away },
    subscribe(listener) {
      const clockwork = { tickMs: 100, windowTicks: 10, defaultDelayTicks: 1 };
      listener({ type: "hello", epoch: "e", tick, ...clockwork, queue: [], ...hello });
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    tick() {
      tick++;
      const event: TickEvent = { type: "tick", tick, at: Date.now(), arrived: [], ...next(tick) };
      for (const listener of listeners) listener(event);
    },
  };
}
