/** Simulated servers in a process of their own, over real HTTP: without an outbox, for what they record is not measured here. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../../platform/clock.ts";
import { listen } from "../../platform/http.ts";
import { silentLog } from "../../platform/log.ts";
import { createServerApi } from "../../platform/server-api.ts";
import type { StoredCost } from "../../platform/tables/costs.ts";
import { Engine } from "../../sim-server/database/engine.ts";
import { Ledger } from "../../sim-server/database/ledger.ts";
import { loadParameters, parseParameters } from "../../sim-server/database/parameters.ts";
import { DatabaseServer } from "../../sim-server/database/server.ts";
import { trueCosts } from "../../test/support/scheduler.ts";
import { idleOutbox } from "../../test/support/server-info.ts";

/** What the bench asks. */
export type Asked = { readonly do: "reset" } | { readonly do: "tell" };

/** Of one server since the last reset. Times in ms by the monotonic clock of this process. */
export interface Steered {
  readonly serverId: string;
  /** Highest fence of what it accepted. */
  readonly fence: number;
  /** The longest time between two placements that it accepted, the time since the last one included. */
  readonly longestPauseMs: number;
}

export interface Started {
  readonly servers: readonly { serverId: string; url: string; costs: readonly (readonly [string, StoredCost])[] }[];
}

const [scenario = "default", count = "1"] = process.argv.slice(2);
const directory = mkdtempSync(join(tmpdir(), "evenkeel-fleet-"));
const stop = new AbortController();
const steered = new Map<string, { fence: number; last: number; longest: number }>();

const servers = await Promise.all(
  Array.from({ length: Number(count) }, async (_, index) => {
    const serverId = `server-${index + 1}`;
    const parameters = parseParameters({ ...loadParameters(scenario), seed: index + 1 }, "the bench");
    const engine = new Engine(parameters, { runSeed: index + 1 });
    const server = new DatabaseServer({
      serverId,
      epoch: `epoch-${process.pid}-${index}`,
      engine,
      clock: systemClock,
      log: silentLog,
      ledger: new Ledger(join(directory, serverId), "epoch", serverId),
      outboxInfo: () => idleOutbox,
    });
    steered.set(serverId, { fence: 0, last: performance.now(), longest: 0 });
    const place = server.place.bind(server);
    server.place = async (fence, placements) => {
      const answer = await place(fence, placements);
      const seen = steered.get(serverId);
      if (answer && seen) {
        const now = performance.now();
        steered.set(serverId, { fence, last: now, longest: Math.max(seen.longest, now - seen.last) });
      }
      return answer;
    };
    const app = createServerApi(server, { log: silentLog, token: process.env.EVENKEEL_TOKEN });
    const { url } = await listen(app, { host: "127.0.0.1", port: 0 });
    // Ticks of different servers fall together only by chance.
    await systemClock.sleep((parameters.tickMs * index) / Number(count));
    void server.run(stop.signal);
    return { serverId, url, costs: trueCosts(engine) };
  }),
);

process.on("message", (asked: Asked) => {
  const now = performance.now();
  if (asked.do === "reset") for (const seen of steered.values()) Object.assign(seen, { last: now, longest: 0 });
  process.send?.(
    Array.from(
      steered,
      ([serverId, { fence, last, longest }]): Steered => ({
        serverId,
        fence,
        longestPauseMs: Math.max(longest, now - last),
      }),
    ),
  );
});
process.on("disconnect", () => {
  stop.abort();
  rmSync(directory, { recursive: true, force: true });
  process.exit(0);
});
process.send?.({ servers } satisfies Started);
