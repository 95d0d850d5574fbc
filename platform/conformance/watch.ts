/** Watches a server as the tap does, one request at a time, and tries delays on a few executions. */
import type { z } from "zod";
import type { Clock } from "../clock.ts";
import { queuedExecutions, resources } from "../wire.ts";
import type { Answer, Ask } from "./findings.ts";

type Queued = z.infer<typeof queuedExecutions>[number];

/** An execution that was seen waiting. Times: monotonic ms, and `wall...` Unix ms of this machine. */
export interface Sighting {
  readonly id: string;
  readonly queryId: string;
  readonly firstAt: number;
  readonly stamped: boolean;
  /** Its tick as first told, and whether it was another one later. */
  readonly tick: number | undefined;
  moved: boolean;
  /** Its timestamp when it was first seen, and when that was. */
  readonly first: { readonly wall: number; readonly timestamp: number };
  last: { wall: number; timestamp: number };
  lastAt: number;
  /** Half way between the last answer that had it and the first that had not. */
  goneAt: number | undefined;
  wallGoneAt: number | undefined;
}

/** A delay, in one or more posts, of one execution. */
export interface Trial {
  readonly parts: readonly number[];
  sighting: Sighting | undefined;
  postedAt: number;
  /** The first timestamp after the posts. */
  timestampAfter: number | undefined;
  /** What was answered instead of success. */
  refused: Answer | undefined;
}

export interface Watched {
  readonly sightings: readonly Sighting[];
  readonly trials: readonly Trial[];
  readonly queuedMs: readonly number[];
  /** 200 with `[]`, 204, or neither, for an empty queue. */
  readonly empty: { array: number; noContent: number };
  /** Answers of GET /queued, and of GET /resources, that are not of their form: what was wrong with the first. */
  readonly badQueue: string | undefined;
  readonly badResources: string | undefined;
  readonly contentTypes: ReadonlySet<string>;
  readonly windows: readonly {
    readonly at: number;
    readonly wall: number;
    readonly value: z.infer<typeof resources>;
  }[];
  readonly failures: readonly string[];
  readonly twiceInOneAnswer: boolean;
}

export interface WatchOptions {
  readonly ask: Ask;
  readonly clock: Clock;
  readonly tickMs: number;
  readonly watchMs: number;
  /** Ticks to add, one array a trial; empty to change nothing. */
  readonly trials: readonly (readonly number[])[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((share: number, seen: number) => void) | undefined;
}

/** Watches for `watchMs`, and longer until what was delayed has run, or should have. */
export async function watch(options: WatchOptions): Promise<Watched> {
  const { ask, clock, tickMs, watchMs } = options;
  const waiting = new Map<string, Sighting>();
  const sightings: Sighting[] = [];
  const trials = options.trials.map((parts): Trial => {
    return { parts, sighting: undefined, postedAt: 0, timestampAfter: undefined, refused: undefined };
  });
  const queuedMs: number[] = [];
  const failures: string[] = [];
  const contentTypes = new Set<string>();
  const windows: { at: number; wall: number; value: z.infer<typeof resources> }[] = [];
  const empty = { array: 0, noContent: 0 };
  let badQueue: string | undefined;
  let badResources: string | undefined;
  let twiceInOneAnswer = false;
  let before = clock.monotonic();

  const parsed = <Schema extends z.ZodType>(schema: Schema, answer: Answer): z.infer<Schema> | string => {
    if (answer.status !== 200) return `status ${answer.status}`;
    contentTypes.add(String(answer.headers["content-type"] ?? "none"));
    try {
      const result = schema.safeParse(JSON.parse(answer.text));
      if (result.success) return result.data;
      const [issue] = result.error.issues;
      return `${issue?.path.join(".") || "the answer"}: ${issue?.message}`;
    } catch {
      return "not JSON";
    }
  };

  const readQueue = async (): Promise<Sighting[]> => {
    const sentAt = clock.monotonic();
    const answer = await ask("GET", "/queued");
    const at = clock.monotonic();
    const wall = clock.now();
    queuedMs.push(at - sentAt);
    let entries: readonly Queued[] = [];
    if (answer.status === 204) empty.noContent++;
    else {
      const read = parsed(queuedExecutions, answer);
      if (typeof read === "string") {
        badQueue ??= read;
        return [];
      }
      if (read.length === 0) empty.array++;
      entries = read;
    }
    const fresh: Sighting[] = [];
    const present = new Set<string>();
    for (const { query, execution } of entries) {
      const { id, timestamp, tick, arrivedTick } = execution;
      if (present.has(id)) twiceInOneAnswer = true;
      present.add(id);
      const known = waiting.get(id);
      if (known) {
        known.last = { wall, timestamp };
        if (tick !== known.tick) known.moved = true;
        known.lastAt = at;
      } else {
        const stamped = tick !== undefined && arrivedTick !== undefined;
        const seen = { wall, timestamp };
        const sighting: Sighting = {
          id,
          queryId: query.id,
          firstAt: at,
          stamped,
          tick,
          moved: false,
          first: seen,
          last: seen,
          lastAt: at,
          goneAt: undefined,
          wallGoneAt: undefined,
        };
        waiting.set(id, sighting);
        sightings.push(sighting);
        fresh.push(sighting);
      }
    }
    for (const [id, sighting] of waiting) {
      if (present.has(id)) continue;
      sighting.goneAt = (sighting.lastAt + at) / 2;
      sighting.wallGoneAt = wall - (at - sighting.lastAt) / 2;
      waiting.delete(id);
    }
    for (const trial of trials) {
      const { sighting } = trial;
      if (sighting && sighting.lastAt === at && trial.postedAt < sentAt)
        trial.timestampAfter ??= sighting.last.timestamp;
    }
    before = at;
    return fresh;
  };

  const tryDelay = async (fresh: readonly Sighting[]): Promise<void> => {
    const trial = trials.find(({ sighting, refused }) => !sighting && !refused);
    const sighting = fresh.at(-1);
    if (!trial || !sighting) return;
    for (const delay of trial.parts) {
      const answer = await ask("POST", "/delay", { body: JSON.stringify({ id: sighting.id, delay }) });
      // It ran meanwhile: another one is tried.
      if (answer.status === 404 || answer.status === 500) return;
      if (answer.status < 200 || answer.status > 299) {
        trial.refused = answer;
        return;
      }
    }
    trial.sighting = sighting;
    trial.postedAt = clock.monotonic();
  };

  const readResources = async (): Promise<void> => {
    const answer = await ask("GET", "/resources");
    const value = parsed(resources, answer);
    if (typeof value === "string") badResources ??= value;
    else if (
      windows.at(-1)?.value.timestamp !== value.timestamp ||
      JSON.stringify(windows.at(-1)?.value) !== JSON.stringify(value)
    ) {
      windows.push({ at: clock.monotonic(), wall: clock.now(), value });
    }
  };

  const startedAt = before;
  const pollMs = tickMs / 3;
  const isDue = () => {
    const now = clock.monotonic();
    if (now - startedAt < watchMs) return true;
    const open = trials.some(({ sighting }) => sighting && sighting.goneAt === undefined);
    const longest = Math.max(0, ...trials.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0)));
    return open && now - startedAt < watchMs + 2 * (longest + 5) * tickMs;
  };
  for (let round = 0; isDue() && !options.signal?.aborted; round++) {
    try {
      const fresh = await readQueue();
      if (round > 5) await tryDelay(fresh);
      if (round % 2 === 0) await readResources();
    } catch (error) {
      failures.push(error instanceof Error ? error.message : String(error));
      if (failures.length > 20) break;
    }
    options.onProgress?.(Math.min(1, (clock.monotonic() - startedAt) / watchMs), sightings.length);
    await clock.sleep(pollMs, options.signal);
  }
  return {
    sightings,
    trials,
    queuedMs,
    empty,
    badQueue,
    badResources,
    contentTypes,
    windows,
    failures,
    twiceInOneAnswer,
  };
}
