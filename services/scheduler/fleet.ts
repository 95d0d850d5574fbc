/** The servers that this process steers: all that are named, or its part of those that a fleet of processes shares. */
import { divide } from "../../core/workload/division.ts";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";
import type { SchedulerStatus } from "../../platform/scheduler-status.ts";
import type { FleetMember } from "../../platform/tables/fleet.ts";
import type { Allowance } from "./allowance.ts";
import { beatMs, type Membership } from "./membership.ts";
import type { Scheduler } from "./scheduler.ts";
import type { SteeredServer, Target } from "./steered-server.ts";

export interface FleetOptions {
  /** Servers of the deployment; called again every ten seconds. */
  readonly targets: () => Promise<readonly Target[]>;
  /** Other processes that share them; undefined: all are this one's. */
  readonly membership?: Membership | undefined;
  /** Steers a server from then on. */
  readonly start: (target: Target) => SteeredServer;
  readonly allowance: Allowance;
  readonly clock: Clock;
  readonly log: Log;
}

/** What is known of the whole fleet, as far as this process sees it. */
export interface FleetStatus {
  /** This process; null where it shares with nobody. */
  readonly name: string | null;
  readonly members: readonly Omit<FleetMember, "beat">[];
  /** Servers of the deployment. */
  readonly registered: number;
  /** Those whose lease nobody holds, though they answer or nobody has asked them. */
  readonly withoutLease: number;
  /** For which no member has room. */
  readonly withoutRoom: readonly string[];
  readonly trouble: string | null;
  /** Those of this process. */
  readonly servers: readonly {
    readonly serverId: string | null;
    readonly url: string;
    readonly mode: SchedulerStatus["mode"];
    readonly reason: string | null;
    /** Share of this process's time. */
    readonly timeShare: number;
  }[];
}

interface Running {
  readonly target: Target;
  readonly server: SteeredServer;
}

const targetsEveryMs = 10_000;
/** How long a server that took too much of the process is left alone. */
const putAsideMs = 30_000;
/** How long a process that ends waits for others to take over. */
const leaveMs = 5_000;

export class Fleet {
  readonly #options: FleetOptions;
  readonly #running = new Map<string, Running>();
  readonly #stopping = new Set<Promise<void>>();
  /** Until when a server is not steered, by the monotonic clock, and why. */
  readonly #aside = new Map<string, { until: number; why: string }>();
  #targets: ReadonlyMap<string, Target> = new Map();
  #readAt = Number.NEGATIVE_INFINITY;
  #left: readonly string[] = [];
  #trouble: string | null = null;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Until `signal` aborts; then hands over what it steers where there is somebody, and ends. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, membership } = this.#options;
    while (!signal.aborted) {
      await this.#look(false);
      await clock.sleep(membership ? beatMs : targetsEveryMs, signal);
    }
    const until = clock.monotonic() + leaveMs;
    while (membership && this.#running.size > 0 && clock.monotonic() < until) {
      await this.#look(true);
      if (membership.living.length === 0) break;
      await clock.sleep(beatMs / 4);
    }
    for (const key of this.#running.keys()) this.#stop(key);
    await Promise.all(this.#stopping);
    await membership?.beat({ ...this.#counts(), leaving: true }).catch(() => {});
  }

  /** Of a server that this process steers. */
  scheduler(serverId: string): Scheduler | undefined {
    const found = [...this.#running.values()].find(({ server }) => server.serverId === serverId);
    return found?.server.holds || !this.#options.membership ? found?.server.scheduler : undefined;
  }

  /** The only one, where servers are not shared. */
  only(): Scheduler | undefined {
    const [first] = this.#running.values();
    return first?.server.scheduler;
  }

  /** Where another process serves the status of what it holds; undefined when `slot` is none that lives. */
  urlOf(slot: string): string | undefined {
    const { membership } = this.#options;
    return membership?.living.find(({ name }) => name === slot && name !== membership.name)?.url;
  }

  status(): FleetStatus {
    const { membership, allowance, clock } = this.#options;
    const members = membership?.living ?? [];
    const { holds, away } = this.#counts();
    const others = members.filter(({ name }) => name !== membership?.name);
    const steered = others.reduce((sum, member) => sum + member.holds + member.away, holds + away);
    return {
      name: membership?.name ?? null,
      members: members.map(({ beat: _, ...member }) => member),
      registered: this.#targets.size,
      withoutLease: Math.max(0, this.#targets.size - steered),
      withoutRoom: this.#left,
      trouble: this.#trouble,
      servers: [
        ...[...this.#running].map(([key, { target, server }]) => {
          const { mode, reason } = server.scheduler?.brief() ?? { mode: "waiting" as const, reason: server.trouble };
          return {
            serverId: server.serverId ?? null,
            url: target.url,
            mode,
            reason,
            timeShare: Number(allowance.shareOf(key).toPrecision(3)),
          };
        }),
        ...[...this.#aside].flatMap(([key, { until, why }]) =>
          until > clock.monotonic()
            ? [
                {
                  serverId: key,
                  url: this.#targets.get(key)?.url ?? "",
                  mode: "waiting" as const,
                  reason: why,
                  timeShare: 0,
                },
              ]
            : [],
        ),
      ],
    };
  }

  /** Every server that this process steers, with its scheduler once it has answered. */
  schedulers(): readonly Scheduler[] {
    return [...this.#running.values()].flatMap(({ server }) => (server.scheduler ? [server.scheduler] : []));
  }

  #counts(): { holds: number; away: number } {
    let holds = 0;
    let away = 0;
    for (const { server } of this.#running.values()) {
      if (server.holds) holds++;
      else if (!server.scheduler) away++;
    }
    return { holds, away };
  }

  /** One look at the deployment: who lives, what there is to steer, and what of it is this process's. */
  async #look(leaving: boolean): Promise<void> {
    const { clock, log, membership, targets } = this.#options;
    try {
      if (clock.monotonic() - this.#readAt >= targetsEveryMs) {
        this.#targets = new Map((await targets()).map((target) => [target.serverId ?? target.url, target]));
        this.#readAt = clock.monotonic();
      }
      const living = await membership?.beat({ ...this.#counts(), leaving });
      this.#trouble = null;
      this.#arrange(living);
    } catch (error) {
      // What is steered is steered on: each lease says for how long.
      const trouble = describeError(error);
      if (trouble !== this.#trouble) log.warn("the fleet cannot be looked at", { error: trouble });
      this.#trouble = trouble;
    }
  }

  #arrange(living: readonly FleetMember[] | undefined): void {
    const { membership, log } = this.#options;
    const keys = [...this.#targets.keys()];
    const { of, left } = living ? divide(keys, living) : { of: undefined, left: [] };
    if (left.length !== this.#left.length) {
      log.warn("servers for which no process has room", { count: left.length, servers: left.slice(0, 20) });
    }
    this.#left = left;
    this.#putAside();
    for (const [key, { target, server }] of this.#running) {
      const wanted = this.#targets.get(key);
      const owner = of ? of.get(key) : undefined;
      const mine = !of || owner === membership?.name;
      if (wanted?.url !== target.url) this.#stop(key);
      else if (mine) server.handOver(undefined);
      else if (owner !== undefined && server.holds && server.scheduler?.fenced) server.handOver(owner);
      else this.#stop(key);
    }
    for (const [key, target] of this.#targets) {
      if (this.#running.has(key) || (of && of.get(key) !== membership?.name) || this.#isAside(key)) continue;
      this.#options.allowance.add(key);
      this.#running.set(key, { target, server: this.#options.start(target) });
    }
  }

  /** A server that leaves the others no time is let go for a while: nobody is harmed by one. */
  #putAside(): void {
    const { allowance, clock, log } = this.#options;
    const key = allowance.greediest();
    if (key === undefined) return;
    const why = `put aside for ${putAsideMs / 1_000} s: it took ${Math.round(100 * allowance.shareOf(key))}% of a process with ${this.#running.size} servers; give it one of its own`;
    log.error(why, { serverId: key });
    this.#aside.set(key, { until: clock.monotonic() + putAsideMs, why });
    this.#stop(key);
  }

  #isAside(key: string): boolean {
    const aside = this.#aside.get(key);
    if (aside && aside.until > this.#options.clock.monotonic()) return true;
    this.#aside.delete(key);
    return false;
  }

  /** Its place is free at once; what it still has to save, it saves. */
  #stop(key: string): void {
    const running = this.#running.get(key);
    if (!running) return;
    this.#running.delete(key);
    this.#options.allowance.remove(key);
    const stopped = running.server.stop().finally(() => this.#stopping.delete(stopped));
    this.#stopping.add(stopped);
  }
}
