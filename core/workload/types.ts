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
  /** Length of a tick; told where `usage` is. */
  readonly tickMs?: number;
  /** Where executions last longer than a tick: those that ran in the window. `ticks` lists those that started. */
  readonly active?: readonly ActiveExecution[];
  /** Of each tick, where it is measured. */
  readonly usage?: Readonly<Record<Resource, readonly number[]>>;
}

/**
 * An execution that ran in a window from `from` to `to` (ms after its start) and lasted `durationMs` in all; null: had not
 * ended 30 s later. `times`: so many of one query that began in one tick and ended in one, told as one with their means.
 */
export interface ActiveExecution {
  readonly queryId: string;
  readonly from: number;
  readonly to: number;
  readonly durationMs: number | null;
  readonly times?: number;
}

/**
 * What one execution of a query is believed to cost, in percent of a tick, with one standard deviation. Where it lasts
 * (`durationMs`): its work in CPU ms, IO in KiB, and the MiB it holds.
 */
export interface CostEstimate {
  readonly mean: Triple;
  readonly sd: Triple;
  /** Executions of it seen so far; 0 for the prior of the population. */
  readonly seen: number;
  /** Unix ms of the window in which it last ran; 0 when never seen. */
  readonly lastSeenAt: number;
  /** How long it lasts with the server to itself, in ms; absent where executions fill no more than a tick. */
  readonly durationMs?: number;
}

/** What a server's clock does: ticks of `tickMs`, windows of (about) `windowTicks` ticks. */
export interface Clockwork {
  readonly tickMs: number;
  readonly windowTicks: number;
  readonly defaultDelayTicks: number;
  /** Executions last longer than a tick: what they cost is spread over their duration. */
  readonly spread?: boolean | undefined;
}

/** An execution that waits on the server: it arrived in `arrivedTick` and will run in `tick` unless moved. */
export interface Waiting {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  readonly tick: number;
  /** Beyond it the server does not let it wait, wherever it is placed. */
  readonly latestTick?: number | undefined;
}

/** One tick as the server tells it, right after it ran. */
export interface TickObservation {
  readonly tick: number;
  readonly executed: readonly { readonly id: string; readonly queryId: string; readonly arrivedTick: number }[];
  readonly arrived: readonly Waiting[];
  /** The window that this tick closed: ticks `firstTick..tick`. */
  readonly window?: {
    readonly firstTick: number;
    readonly bounds: "exact" | "inferred";
    readonly metrics: Readonly<Record<Resource, Band>>;
  };
  /** As sampled: CPU in percent of one core, IO in KiB, memory in MiB held; absent when not known. */
  readonly usage?: Readonly<Record<Resource, number>> | undefined;
  /** Where executions last longer than a tick: what ended in this one. */
  readonly ended?:
    | readonly {
        readonly id: string;
        readonly queryId: string;
        readonly startedTick: number;
        readonly durationMs: number;
      }[]
    | undefined;
}

/** The scheduler's wish that an execution run in `tick`. */
export interface Placement {
  readonly id: string;
  readonly tick: number;
}

/** What a user may turn. */
export interface Knobs {
  /** False: nothing is delayed any more, and what was held runs off level. */
  readonly enabled: boolean;
  /** The 95th percentile of the delay that he is ready to pay, in seconds. */
  readonly latencyP95Seconds: number;
  /** Half width of the band around a window's average, relative: 0.1 is +-10%. */
  readonly bandWidth: number;
  /** The longest delay allowed to a query's executions, in seconds; 0: never delay this one. */
  readonly deadlineSeconds: Readonly<Record<string, number>>;
  /** How long planning one tick may take, in ms. */
  readonly timeBudgetMs: number;
  /** With api `delay`: how much of what is held may fall due in one tick should the scheduler die, in mean ticks. */
  readonly burst: number;
}

/** Whether the server takes placements, or only postponements (`POST /delay`), which cannot pull work forward. */
export type SteeringApi = "place" | "delay";

/**
 * Steers one server: told what each tick did, it says where waiting executions shall run. Pure apart from its own
 * state; the scheduler service and the bench run this very code.
 */
export interface Steering {
  /** Starts, or starts again after a break: what waits on the server after `tick`. */
  resume(tick: number, waiting: readonly Waiting[]): void;
  /** One tick has run. Ticks come in order; a missing one calls for `resume`. */
  observe(tick: TickObservation): void;
  /**
   * Where waiting executions shall run, from the next tick on: only what differs from where they are now. With api
   * `delay` every placement is later than where the execution is now. `elapsedMs` tells the time used in this call.
   */
  plan(elapsedMs: () => number): readonly Placement[];
  /** What the server made of placements: the tick it chose, or undefined when the execution was gone. */
  settle(results: readonly { readonly id: string; readonly tick: number | undefined }[]): void;
  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void;
  setKnobs(knobs: Knobs): void;
  /** What a restarted scheduler needs beyond the server's queue; plain JSON of a few kB, opaque to others. */
  save(): unknown;
  status(): SteeringStatus;
}

export interface SteeringStatus {
  readonly mode: "steering" | "learning" | "off";
  readonly backlog: number;
  /** One line for a person when something he wished is out of reach or costs are unknown; null otherwise. */
  readonly advice: string | null;
  /** Where executions last: the narrowest half width of the band that they allow, and why. Absent while it is not known. */
  readonly floor?: { readonly width: number; readonly reason: string };
}
