/** The figures of the live view in Prometheus' text format. */
import { Gauge, Registry } from "prom-client";
import { type LiveState, partNames, type WindowPoint } from "./contract/live.ts";

interface Source {
  state(): LiveState;
  windowsSince(ms: number): WindowPoint[];
}

const resources = ["cpu", "io", "memory"] as const;
const measures = ["average", "min", "max"] as const;
const quantiles = ["p50", "p95", "p99"] as const;
const minuteMs = 60_000;

/** Read at each scrape; what is not known is left out. Times in seconds, shares from 0 to 1. */
export function createMetrics(source: Source): Registry {
  const registry = new Registry();
  const gauges: (() => void)[] = [];
  const gauge = <Label extends string>(
    name: string,
    help: string,
    labelNames: readonly Label[],
    set: (gauge: Gauge<Label>) => void,
  ): void => {
    const made = new Gauge({ name: `evenkeel_${name}`, help, labelNames, registers: [registry] });
    gauges.push(() => {
      made.reset();
      set(made);
    });
  };
  /** One without labels that is missing where its value is not known. */
  const plain = (name: string, help: string, read: (state: LiveState) => number | null | undefined): void => {
    const made = new Gauge<"server">({ name: `evenkeel_${name}`, help, labelNames: ["server"], registers: [registry] });
    gauges.push(() => {
      made.reset();
      const value = read(state);
      if (value !== null && value !== undefined) made.set({ server: state.serverId ?? "" }, value);
    });
  };
  let state = source.state();
  let window: WindowPoint | undefined;

  gauge("usage_percent", "Usage in the last metrics window", ["resource", "measure"], (made) => {
    for (const resource of window ? resources : [])
      for (const measure of measures) if (window) made.set({ resource, measure }, window[resource][measure]);
  });
  gauge("in_band_share", "Share of windows in band over the last minutes", ["minutes"], (made) => {
    const { minute, tenMinutes, hour } = state.inBand;
    for (const [minutes, share] of [
      ["1", minute],
      ["10", tenMinutes],
      ["60", hour],
    ] as const)
      if (share !== null) made.set({ minutes }, share);
  });
  gauge("delay_seconds", "Delay from arrival to execution over the last ten minutes", ["quantile"], (made) => {
    const { tenMinutes } = state.delay;
    for (const quantile of tenMinutes ? quantiles : [])
      if (tenMinutes) made.set({ quantile: `0.${quantile.slice(1)}` }, tenMinutes[quantile]);
  });
  gauge("part_up", "Whether a part of the loop answers", ["part"], (made) => {
    for (const part of partNames) {
      const is = state.parts.find(({ name }) => name === part)?.state;
      if (is === "answers" || is === "away") made.set({ part }, is === "answers" ? 1 : 0);
    }
  });
  plain("window_deviation", "Largest distance of a tick from its window's average, relative", () => window?.deviation);
  plain("waiting_executions", "Executions that wait on the server", ({ waiting }) => waiting);
  plain("executions_captured", "Executions since the server started", ({ capture }) => capture?.executed);
  plain("outbox_rows", "Rows on the server's disk that are not recorded", ({ capture }) => capture?.waitingRows);
  plain("outbox_bytes", "Size of the server's outbox", ({ capture }) => capture?.outboxBytes);
  plain("queue_messages", "Messages that wait in the queue, about", ({ queue }) => queue?.waiting);
  plain("dead_letters", "Messages in the dead-letter queue, about", ({ queue }) => queue?.deadLetters);
  plain("audit_recorded_rows", "Rows that the last audit found recorded", ({ audit }) => audit?.recorded);
  plain("audit_lost_rows", "Rows that are neither recorded nor held any more", ({ audit }) => audit?.lost);
  plain("audit_complete", "Whether the last audit found everything", ({ audit }) => audit && Number(audit.complete));
  plain("costs_age_seconds", "Age of the costs", ({ costs, at }) =>
    costs?.estimatedAt ? (at - costs.estimatedAt) / 1_000 : null,
  );
  plain("costs_queries", "Queries whose cost is known", ({ costs }) => costs?.queries);
  plain("scheduler_enabled", "Whether the scheduler is switched on", ({ scheduler }) =>
    scheduler ? Number(scheduler.knobs.enabled) : null,
  );
  plain("scheduler_steering", "Whether the scheduler steers", ({ scheduler }) =>
    scheduler ? Number(scheduler.mode === "steering") : null,
  );
  plain("scheduler_late_share", "Share of placements that came too late", ({ scheduler }) => scheduler?.lateShare);
  plain("scheduler_plan_p99_seconds", "Time of planning a tick", ({ scheduler }) =>
    scheduler?.planMs ? scheduler.planMs.p99 / 1_000 : null,
  );
  plain("latency_budget_seconds", "Delay that 95% may take", ({ scheduler }) => scheduler?.knobs.latencyP95Seconds);
  plain("band_width", "Half width of the band, relative", ({ scheduler }) => scheduler?.knobs.bandWidth);

  const read = registry.metrics.bind(registry);
  registry.metrics = async () => {
    state = source.state();
    window = source.windowsSince(state.at - minuteMs).at(-1);
    for (const set of gauges) set();
    return read();
  };
  return registry;
}
