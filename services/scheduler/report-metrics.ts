import { performance } from "node:perf_hooks";
import type { Clock } from "../../platform/clock.ts";
import type { PublishMetrics } from "../../platform/metrics.ts";
import type { SchedulerStatus } from "../../platform/scheduler-status.ts";
import type { Fleet } from "./fleet.ts";

const everyMs = 60_000;

/** Once a minute, until `signal` aborts. Level and delay are told only while the scheduler answers for them. */
export async function reportMetrics(
  publish: PublishMetrics,
  status: () => SchedulerStatus | undefined,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    const told = status();
    if (!told) continue;
    const { serverId, mode, reason, trouble, inBand, delaySeconds, costs } = told;
    const steering = mode === "steering";
    publish(
      {
        HoldsLease: mode === "waiting" ? 0 : 1,
        ...(costs.ageSeconds !== null && { CostsAgeSeconds: costs.ageSeconds }),
        ...(steering && inBand.last10Minutes !== null && { InBandShare: inBand.last10Minutes }),
        ...(steering && delaySeconds && { DelayP95Seconds: delaySeconds.p95 }),
      },
      { name: "scheduler", serverId, mode, reason, trouble },
    );
  }
}

/** Costs that are older are said to be stale, in seconds. */
const staleSeconds = 900;
/** Fewer windows in band than this share of ten minutes' are said to be few. */
const fewInBand = 0.5;
/** Names in a line of the log; the counts say how many there are. */
const namesShown = 50;

/**
 * A process of a fleet once a minute: counts, which do not grow with the number of servers, and in the same line of the
 * log which servers they count.
 */
export async function reportFleet(
  publish: PublishMetrics,
  fleet: Pick<Fleet, "status" | "schedulers">,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  let before = performance.eventLoopUtilization();
  for (;;) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    const { name, servers, withoutLease, withoutRoom, trouble } = fleet.status();
    const briefs = fleet.schedulers().map((scheduler) => scheduler.brief());
    const named = (of: readonly { readonly serverId: string | null }[]) =>
      of.slice(0, namesShown).map(({ serverId }) => serverId);
    const away = servers.filter(({ mode }) => mode === "waiting");
    const stale = briefs.filter(({ costsAgeSeconds }) => (costsAgeSeconds ?? 0) > staleSeconds);
    const outOfBand = briefs.filter(({ mode, inBand }) => mode === "steering" && inBand !== null && inBand < fewInBand);
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    publish(
      {
        ServersSteered: servers.length - away.length,
        ServersWithoutLease: withoutLease,
        ServersAway: away.length,
        ServersStaleCosts: stale.length,
        ServersOutOfBand: outOfBand.length,
        BusyShare: utilization,
      },
      {
        name: "scheduler",
        member: name,
        trouble,
        withoutRoom: withoutRoom.slice(0, namesShown),
        away: away.slice(0, namesShown).map(({ serverId, reason }) => ({ serverId, reason })),
        staleCosts: named(stale),
        outOfBand: named(outOfBand),
      },
    );
  }
}
