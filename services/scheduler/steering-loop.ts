import type { Clockwork, CostEstimate, Knobs, Placement, Steering, SteeringApi } from "../../core/workload/types.ts";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import { ServerRefused, StaleFence } from "../../platform/server-errors.ts";
import type { HelloEvent, PlaceResponse, StreamEvent, TickEvent } from "../../platform/wire.ts";
import type { Journal } from "./journal.ts";
import { createPoster } from "./poster.ts";
import type { Tracker } from "./tracker.ts";

export interface SteeringSettings {
  readonly clockwork: Clockwork;
  readonly api: SteeringApi;
  readonly knobs: Knobs;
  /** What an earlier one saved; undefined when nothing. */
  readonly saved?: unknown;
}

export interface SteeringLoopOptions {
  /** Builds the planner; throws when it cannot use what was saved. */
  readonly create: (settings: SteeringSettings) => Steering;
  readonly api: SteeringApi;
  readonly knobs: Knobs;
  /** What a scheduler before this one saved. */
  readonly saved: unknown;
  /** Sends placements to the server; `currentTick` tells where an execution is now. */
  readonly send: (
    placements: readonly Placement[],
    currentTick: (id: string) => number | undefined,
  ) => Promise<PlaceResponse>;
  /** Whether this process may act on the server now. */
  readonly mayAct: () => boolean;
  /** Another scheduler has a higher fence. */
  readonly onStaleFence: (error: StaleFence) => void;
  /** What other servers leave of this thread's time; without it, any time may be taken. */
  readonly share?: TimeShare | undefined;
  readonly tracker: Tracker;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly log: Log;
}

/** One server's part of a thread that steers several. */
export interface TimeShare {
  /** Notes that the thread worked so long for this server. */
  spend(ms: number): void;
  /** How long planning one tick of `tickMs` may take. */
  budgetMs(tickMs: number): number;
}

/** Observes the server's ticks, plans after each, and posts: the part of the scheduler that must be quick. */
export interface SteeringLoop {
  onEvent(event: StreamEvent): "again" | undefined;
  setCosts(costs: ReadonlyMap<string, CostEstimate>, prior: CostEstimate): void;
  setKnobs(knobs: Knobs): void;
  /** Undefined before the first `hello`. */
  readonly steering: Steering | undefined;
  readonly hello: HelloEvent | undefined;
  readonly tick: number | undefined;
  /** Why the last plan or post failed; null when neither did. */
  readonly trouble: string | null;
}

const firstPauseMs = 100;
const longestPauseMs = 2_000;

export function createSteeringLoop(options: SteeringLoopOptions): SteeringLoop {
  const { create, api, send, mayAct, tracker, journal, clock, log } = options;
  let knobs = options.knobs;
  let costs: { map: ReadonlyMap<string, CostEstimate>; prior: CostEstimate } | undefined;
  let steering: Steering | undefined;
  let hello: HelloEvent | undefined;
  let tick: number | undefined;
  /** Where each waiting execution is; needed only where we act by postponing. */
  const dueTicks = new Map<string, number>();
  let planScheduled = false;
  let needsHello = false;
  let postTrouble: string | null = null;
  let planTrouble: string | null = null;
  let pauseMs = firstPauseMs;
  let pausedUntil = 0;

  const poster = createPoster({
    send: (placements) => send(placements, (id) => dueTicks.get(id)),
    onAnswer(response, late) {
      postTrouble = null;
      pauseMs = firstPauseMs;
      tracker.answered(response.results.length, late, clock.now());
      for (const { id, tick: due } of response.results) {
        if (due !== undefined && dueTicks.has(id)) dueTicks.set(id, due);
      }
      journal.answered(response);
      steering?.settle(response.results.map((result) => ({ id: result.id, tick: result.tick })));
    },
    onFailure(error, placements) {
      if (error instanceof StaleFence) return options.onStaleFence(error);
      tracker.answered(placements, placements, clock.now());
      if (postTrouble === null) log.warn("placing does not work", { error });
      postTrouble = error instanceof Error ? error.message : String(error);
      needsHello = true;
      pausedUntil = clock.monotonic() + pauseMs;
      pauseMs = Math.min(pauseMs * 2, longestPauseMs);
    },
  });

  function build(event: HelloEvent): Steering {
    const { tickMs, windowTicks, defaultDelayTicks, spread } = event;
    const settings = { clockwork: { tickMs, windowTicks, defaultDelayTicks, spread }, api, knobs };
    const saved = steering?.save() ?? options.saved;
    let built: Steering;
    try {
      built = create({ ...settings, saved });
    } catch (error) {
      if (saved === undefined) throw error;
      log.warn("the saved plan cannot be used and is left aside", { error });
      built = create(settings);
    }
    if (costs) built.setCosts(costs.map, costs.prior);
    return built;
  }

  function begin(event: HelloEvent): void {
    if (!steering || hello?.epoch !== event.epoch) steering = build(event);
    hello = event;
    tick = event.tick;
    needsHello = false;
    poster.clear();
    dueTicks.clear();
    for (const waiting of event.queue) dueTicks.set(waiting.id, waiting.tick);
    steering.resume(event.tick, event.queue);
    tracker.begin(event.queue.length, event.spread);
    journal.begin(event, clock.now());
  }

  function observe(event: TickEvent): void {
    tick = event.tick;
    for (const { id } of event.executed) dueTicks.delete(id);
    for (const waiting of event.arrived) dueTicks.set(waiting.id, waiting.tick);
    const { window, ...rest } = event;
    steering?.observe(window ? { ...rest, window } : rest);
    tracker.tick(event, clock.now(), knobs.bandWidth, hello?.tickMs ?? 0);
    journal.tick(event);
  }

  function plan(): void {
    planScheduled = false;
    if (!steering || needsHello || !mayAct() || clock.monotonic() < pausedUntil) return;
    const startedAt = clock.monotonic();
    const elapsedMs = () => clock.monotonic() - startedAt;
    const budgetMs = options.share?.budgetMs(hello?.tickMs ?? 0) ?? Number.POSITIVE_INFINITY;
    let placements: readonly Placement[] = [];
    try {
      placements = steering.plan(() => (elapsedMs() < budgetMs ? elapsedMs() : Number.POSITIVE_INFINITY));
      planTrouble = null;
    } catch (error) {
      // What was placed stays placed; the next tick is planned anew.
      if (planTrouble === null) log.error("planning failed", { error });
      planTrouble = `planning failed: ${describeError(error)}`;
    }
    tracker.planned(elapsedMs());
    if (placements.length > 0) {
      const next = (tick ?? 0) + 1;
      journal.planned(placements, next, steering.status().mode === "steering", clock.now());
      poster.post(placements);
    }
    options.share?.spend(elapsedMs());
  }

  return {
    onEvent(event) {
      switch (event.type) {
        case "hello":
          begin(event);
          break;
        case "tick":
          if (needsHello || tick === undefined || event.tick !== tick + 1) return "again";
          observe(event);
          break;
      }
      // After what else has already come in: planning for a tick that has passed would be in vain.
      if (!planScheduled) setImmediate(plan);
      planScheduled = true;
      return undefined;
    },
    setCosts(map, prior) {
      costs = { map, prior };
      steering?.setCosts(map, prior);
    },
    setKnobs(next) {
      steering?.setKnobs(next);
      knobs = next;
    },
    get steering() {
      return steering;
    },
    get hello() {
      return hello;
    },
    get tick() {
      return tick;
    },
    get trouble() {
      return planTrouble ?? postTrouble;
    },
  };
}

/** Sends placements to a server that can only postpone: one POST /delay each. `lastTick` is the last one observed. */
export async function placeByDelay(
  delay: (id: string, ticks: number) => Promise<"delayed" | "gone">,
  lastTick: number,
  placements: readonly Placement[],
  currentTick: (id: string) => number | undefined,
): Promise<PlaceResponse> {
  const results = await Promise.all(
    placements.map(async ({ id, tick }) => {
      const due = currentTick(id);
      if (due === undefined) return { id, outcome: "gone" as const };
      const outcome = tick > due ? await delay(id, tick - due) : "delayed";
      return outcome === "gone"
        ? { id, outcome: "gone" as const }
        : { id, outcome: "placed" as const, tick: Math.max(tick, due) };
    }),
  );
  return { tick: lastTick, results };
}

/** Whether the server says that it does not know POST /place at all. */
export function lacksPlace(error: unknown): boolean {
  return error instanceof ServerRefused && (error.status === 404 || error.status === 405 || error.status === 501);
}
