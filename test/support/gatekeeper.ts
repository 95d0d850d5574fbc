/** The gatekeeper in the test's own process, over real HTTP, with an outbox that no sender empties. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { type HttpApp, type Listening, listen } from "../../platform/http.ts";
import { silentLog } from "../../platform/log.ts";
import { type Outbox, openOutbox } from "../../platform/outbox.ts";
import { HostUnavailable } from "../../platform/server-api.ts";
import { type OutboxRow, outboxRow, type StreamEvent } from "../../platform/wire.ts";
import { createGatekeeperApi } from "../../services/gatekeeper/api.ts";
import { Gatekeeper } from "../../services/gatekeeper/gatekeeper.ts";
import { createIdentities, type Identities } from "../../services/gatekeeper/identity.ts";
import { Journal } from "../../services/gatekeeper/journal.ts";
import { token as doorsToken } from "./doors.ts";
import { heldRows } from "./outbox.ts";

export interface TestGatekeeper {
  readonly url: string;
  readonly gatekeeper: Gatekeeper;
  readonly outbox: Outbox;
  /** All rows on disk. */
  rows(): OutboxRow[];
  stop(): Promise<void>;
}

const clockwork = { tickMs: 100, windowTicks: 10, defaultDelayTicks: 3 };

/** Rows of an outbox, in order. */
export function rowsOf(outbox: Outbox): OutboxRow[] {
  return heldRows(outbox).map(({ position, body }) => outboxRow.parse({ ...JSON.parse(body), sequence: position }));
}

/** Names by themselves, and text as it is. */
export const plainIdentities: Identities = {
  identify: (_database, _role, statement) => ({ queryId: "id" in statement ? statement.id : "q", trouble: null }),
  texts: () => [],
};

/** One that nothing has been told to, and whose time stands still. */
export function createIdleGatekeeper(token = doorsToken): HttpApp {
  const identities = plainIdentities;
  const outbox = {
    append: () => ({ incarnation: "i", first: 1, last: 1, gaps: 0 }),
    read: () => [],
    unsettled: () => [],
    recordedAndHeld: () => [],
    lastPosition: 0,
  };
  const gatekeeper = new Gatekeeper({
    ...{ serverId: "postgres", epoch: "e", clockwork, identities, clock: systemClock, log: silentLog },
    journal: new Journal({ outbox, log: silentLog }),
    outboxInfo: () => {
      throw new HostUnavailable("away");
    },
  });
  return createGatekeeperApi(gatekeeper, identities, { log: silentLog, token });
}

export async function startGatekeeper(directory: string, options: { port?: number } = {}): Promise<TestGatekeeper> {
  const outbox = openOutbox({
    ...{ file: join(directory, "outbox.sqlite"), serverId: "postgres", diskBoundBytes: 1e9 },
    ...{ clock: systemClock, log: silentLog },
  });
  const identities = await createIdentities();
  const gatekeeper = new Gatekeeper({
    serverId: "postgres",
    epoch: randomUUID(),
    clockwork,
    identities,
    journal: new Journal({ outbox, log: silentLog }),
    outboxInfo: () => ({ ...outbox.state(), lastSentAt: null, trouble: null }),
    clock: systemClock,
    log: silentLog,
  });
  const app = createGatekeeperApi(gatekeeper, identities, { log: silentLog, token: process.env.EVENKEEL_TOKEN });
  const listening: Listening = await listen(app, { host: "127.0.0.1", port: options.port ?? 0 });
  const stop = new AbortController();
  const running = gatekeeper.run(stop.signal);
  return {
    url: listening.url,
    gatekeeper,
    outbox,
    rows: () => rowsOf(outbox),
    async stop() {
      stop.abort();
      await running;
      await listening.close(0);
      outbox.close();
    },
  };
}

/** Places what arrives by `choose`, as a scheduler would; returns what ends it. */
export function placeBy(gatekeeper: Gatekeeper, choose: (arrivedTick: number, index: number) => number): () => void {
  let index = 0;
  return gatekeeper.subscribe((event: StreamEvent) => {
    const arrived = event.type === "hello" ? event.queue : event.arrived;
    const placements = arrived.map(({ id, arrivedTick }) => ({ id, tick: choose(arrivedTick, index++) }));
    if (placements.length > 0) void gatekeeper.place(1, placements);
  }, 1);
}
