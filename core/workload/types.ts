/** The words that capture, estimation and planning share. Plain data: no I/O, no clock, no randomness. */

export const resources = ["cpu", "io", "memory"] as const;
export type Resource = (typeof resources)[number];

/** One value per resource, in the order of `resources`. */
export type Triple = readonly [cpu: number, io: number, memory: number];

/** Percent over the ticks of one window: `average` floored, `min` and `max` of single ticks. */
export interface Band {
  readonly average: number;
  readonly min: number;
  readonly max: number;
}

/** One metrics window and what ran in it, as the estimator reads it from `resource-windows`. */
export interface WindowObservation {
  /** Identity: windows with an equal key are the same window, to be counted once. */
  readonly key: string;
  readonly epoch: string;
  /** Unix ms. */
  readonly endedAt: number;
  readonly firstTick: number;
  /** Query ids that ran in tick `firstTick + k`, repeats included. */
  readonly ticks: readonly (readonly string[])[];
  readonly bounds: "exact" | "inferred";
  readonly metrics: Readonly<Record<Resource, Band>>;
}

/** What one execution of a query is believed to cost, in percent of a tick, with one standard deviation. */
export interface CostEstimate {
  readonly mean: Triple;
  readonly sd: Triple;
  /** Executions of it seen so far; 0 for the prior of the population. */
  readonly seen: number;
  /** Unix ms of the window in which it last ran; 0 when never seen. */
  readonly lastSeenAt: number;
}
