import type { Steering, SteeringApi, SteeringStatus } from "../../core/workload/types.ts";
import type { Clock } from "../../platform/clock.ts";
import { ConfigError } from "../../platform/config.ts";
import type { Lease } from "../../platform/lease.ts";
import type { Log } from "../../platform/log.ts";
import type { Explanation, KnobsChange, SchedulerKnobs, SchedulerStatus } from "../../platform/scheduler-status.ts";
import type { ServerClient } from "../../platform/server-client.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import { BandPromise, budgetAdvice } from "./advice.ts";
import { createInputs } from "./inputs.ts";
import { Journal } from "./journal.ts";
import { SavedPlan } from "./saved-plan.ts";
import {
  createSteeringLoop,
  lacksPlace,
  placeByDelay,
  type SteeringLoop,
  type SteeringSettings,
  type TimeShare,
} from "./steering-loop.ts";
import type { SchedulerStore } from "./store.ts";
import { Tracker } from "./tracker.ts";

export interface SchedulerOptions {
  readonly serverUrl: string;
  readonly server: ServerInfo;
  readonly slot: string;
  readonly client: ServerClient;
  readonly lease: Lease;
  readonly store: SchedulerStore;
  readonly createSteering: (settings: SteeringSettings) => Steering;
  /** How to act on the server; a server that lacks POST /place is postponed in any case. */
  readonly api: SteeringApi;
  /** This server's part of a thread that steers several. */
  readonly share?: TimeShare | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

export interface BriefStatus extends Pick<SchedulerStatus, "mode" | "reason"> {
  readonly serverId: string;
  /** Share of the last ten minutes' windows in band; null while no window closed. */
  readonly inBand: number | null;
  /** Of the costs that it goes by; null before the first. */
  readonly costsAgeSeconds: number | null;
}

export interface Scheduler {
  /** Steers whenever it holds the lease, until `signal` aborts; then saves and frees the lease. */
  run(signal: AbortSignal): Promise<void>;
  /** What a list of many servers shows of each. */
  brief(): BriefStatus;
  /** @param windowsSince Unix ms: windows that ended later; without it, the last 60 */
  status(windowsSince?: number): SchedulerStatus;
  /** Whether another may take over while this one still acts: the server refuses the lower fence. */
  readonly fenced: boolean;
  /** Those in force. */
  knobs(): SchedulerKnobs;
  /**
   * Stores knobs and turns them from the next tick on; a band narrower than can be kept becomes the nearest that can.
   * @throws KnobsRefused
   */
  changeKnobs(change: KnobsChange): Promise<SchedulerKnobs>;
  /** Undefined for an execution that it did not see within the last minutes. */
  explain(executionId: string): Explanation | undefined;
}

/** Nothing is posted that could still be under way when the lease ends. */
export const requestTimeoutMs = 1_000;
/** After a refused fence, before this process asks for a higher one: the lease's own keeper first finds out who holds it. */
const staleFencePauseMs = 5_000;

/** Why the planner delays nothing; null while it steers. */
function whyNot({ mode, advice }: SteeringStatus): string | null {
  if (mode === "steering") return null;
  return mode === "off" ? "switched off (knob enabled): nothing is delayed" : advice;
}

export function createScheduler(options: SchedulerOptions): Scheduler {
  const { server, client, lease, store, clock, log } = options;
  const tracker = new Tracker();
  const journal = new Journal();
  const plan = new SavedPlan({ store, lease, clock, log });
  let loop: SteeringLoop | undefined;
  let connected = false;
  let streamTrouble: string | null = null;
  let sessionTrouble: string | null = null;
  const promise = new BandPromise();
  let mustPostpone = options.api === "delay";
  // A tap's place can only postpone: the planner must know.
  const planningApi = (): SteeringApi => (mustPostpone || server.kind === "tap" ? "delay" : "place");

  const inputs = createInputs({
    store,
    clock,
    log,
    onCosts: (costs, prior) => loop?.setCosts(costs, prior),
    onKnobs: (knobs) => loop?.setKnobs(knobs),
    wantsEstimate: () => !inputs.costs?.version || loop?.steering?.status().mode === "learning",
  });

  function createLoop(saved: unknown, endSession: (why: string) => void): SteeringLoop {
    const created = createSteeringLoop({
      create: options.createSteering,
      api: planningApi(),
      knobs: inputs.knobs,
      saved,
      async send(placements, currentTick) {
        const lastTick = created.tick ?? 0;
        if (mustPostpone) return placeByDelay(client.delay, lastTick, placements, currentTick);
        try {
          return await client.place(lease.token, placements);
        } catch (error) {
          if (lacksPlace(error)) {
            mustPostpone = true;
            endSession("the server has no POST /place: from now on executions are only postponed");
          }
          throw error;
        }
      },
      mayAct: () => lease.remainingMs() > requestTimeoutMs,
      onStaleFence: (error) => endSession(error.message),
      share: options.share,
      tracker,
      journal,
      clock,
      log,
    });
    if (inputs.costs?.prior && inputs.costs.version > 0) created.setCosts(inputs.costs.costs, inputs.costs.prior);
    return created;
  }

  /** Steers from taking the lease to losing it. */
  async function session(signal: AbortSignal): Promise<void> {
    const saved = await plan.read();
    const over = new AbortController();
    const ended = AbortSignal.any([signal, over.signal]);
    const end = (why: string) => {
      if (ended.aborted) return;
      log.warn("stopped steering", { why });
      sessionTrouble = why;
      over.abort();
    };
    const current = createLoop(saved, end);
    loop = current;
    const keeping = lease.keep(ended).then((lost) => lost !== undefined && end(lost));
    const saving = plan.keep(ended, current, end);
    const following = client.follow({
      ...{ signal: ended, fence: lease.token },
      onEvent(event) {
        if (event.type === "hello") {
          if (event.serverId !== server.serverId) {
            throw new ConfigError(`${options.serverUrl} is now server ${event.serverId}, not ${server.serverId}`);
          }
          log.info("following the server", { epoch: event.epoch, tick: event.tick, waiting: event.queue.length });
        }
        connected = true;
        streamTrouble = null;
        sessionTrouble = null;
        return current.onEvent(event);
      },
      onBusy: (ms) => options.share?.spend(ms),
      onTrouble(error) {
        connected = false;
        if (streamTrouble === null) log.warn("the server's stream is gone", { error: error.message });
        streamTrouble = error.message;
      },
    });
    try {
      await following;
    } finally {
      connected = false;
      over.abort();
      await Promise.all([keeping, saving]);
    }
  }

  /** A budget out of reach comes first: it is the reason for the rest. */
  function adviceNow(now: number, planner: SteeringStatus | undefined): string | null {
    if (planner?.mode !== "steering") return planner?.advice ?? null;
    return budgetAdvice(inputs.knobs, loop?.hello ?? server, tracker.rate(now)) ?? planner.advice;
  }

  const troubles = () => [lease.trouble, sessionTrouble, streamTrouble, loop?.trouble, plan.trouble];

  function brief(): BriefStatus {
    const now = clock.now();
    const planner = connected && lease.remainingMs() > 0 ? loop?.steering?.status() : undefined;
    const { estimatedAt } = inputs.costs ?? {};
    return {
      serverId: server.serverId,
      mode: planner?.mode ?? "waiting",
      reason: planner ? whyNot(planner) : (troubles().find((trouble) => trouble) ?? "waiting for the server"),
      inBand: tracker.inBand(now),
      costsAgeSeconds: estimatedAt ? Math.max(0, now - estimatedAt) / 1_000 : null,
    };
  }

  return {
    brief,
    async run(signal) {
      const firstRefresh = inputs.refresh();
      const watching = inputs.run(signal);
      while (await lease.acquire(signal)) {
        log.info("holds the lease", { slot: options.slot, token: lease.token });
        await Promise.race([firstRefresh, clock.sleep(1_000)]);
        const postponing = mustPostpone;
        await session(signal);
        if (!signal.aborted && lease.remainingMs() > 0 && postponing === mustPostpone) {
          await clock.sleep(staleFencePauseMs, signal);
        }
      }
      await watching;
      await lease.release().catch((error: unknown) => log.warn("the lease was not freed", { error }));
    },
    get fenced() {
      return !mustPostpone;
    },
    knobs: () => inputs.knobs,
    changeKnobs: (change) => inputs.changeKnobs(promise.made(change, loop?.steering?.status().floor)),
    explain: (executionId) => journal.explain(executionId),
    status(windowsSince) {
      const now = clock.now();
      const planner = loop?.steering?.status();
      const { costs } = inputs;
      const { serverId, mode, reason, costsAgeSeconds } = brief();
      return {
        serverId,
        serverUrl: options.serverUrl,
        epoch: loop?.hello?.epoch ?? null,
        tick: (connected ? loop?.tick : undefined) ?? null,
        mode,
        reason,
        api: planningApi(),
        backlog: planner?.backlog ?? 0,
        placements: tracker.placements,
        ...tracker.summary(now, loop?.hello?.tickMs ?? server.tickMs),
        windows: tracker.windows(windowsSince),
        knobs: inputs.knobs,
        costs: {
          version: costs?.version ?? 0,
          ageSeconds: costsAgeSeconds,
          queries: costs?.costs.size ?? 0,
        },
        lease: {
          slot: options.slot,
          token: lease.token,
          remainingMs: Math.round(lease.remainingMs()),
          holder: lease.holder,
        },
        advice: promise.advice(inputs.knobs.bandWidth) ?? adviceNow(now, planner),
        ...(planner?.floor && { floor: { ...planner.floor } }),
        trouble: [...troubles().filter((trouble) => typeof trouble === "string"), ...inputs.trouble],
      };
    },
  };
}
