import type { Clock } from "../../platform/clock.ts";
import type { PublishMetrics } from "../../platform/metrics.ts";
import type { SchedulerStatus } from "../../platform/scheduler-status.ts";

const everyMs = 60_000;

/** Once a minute, until `signal` aborts. Level and delay are told only while the scheduler answers for them. */
export async function reportMetrics(
  publish: PublishMetrics,
  status: () => SchedulerStatus,
  clock: Pick<Clock, "sleep">,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await clock.sleep(everyMs, signal);
    if (signal.aborted) return;
    const { serverId, mode, reason, trouble, inBand, delaySeconds, costs } = status();
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
