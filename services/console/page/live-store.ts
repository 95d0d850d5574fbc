/** What the page knows of now: an hour of windows and the last state, kept up by server-sent events. */
import type { LiveEvent, LiveState, WindowPoint } from "../contract/live.ts";
import { authorization, request } from "./api.ts";
import { mergeWindows } from "./merge-windows.ts";

/** The server sends each second: silence for longer is told. */
export const staleMs = 3_500;
/** A connection that is silent for longer is given up. */
const silentMs = 8_000;
const firstBackoffMs = 300;
const longestBackoffMs = 3_000;

export interface LiveStore {
  readonly windows: readonly WindowPoint[];
  readonly state: LiveState | undefined;
  /** `performance.now()` of the last event. */
  readonly heardAt: number | undefined;
  /** Why there is no connection; undefined while there is one. */
  readonly problem: string | undefined;
  /** Whether it refuses for want of a token. */
  readonly locked: boolean;
  /** Reads the windows of the last minutes, before those that are here. */
  readMinutes(minutes: number): Promise<void>;
}

/** Follows `/api/live` for ever; `changed` is told of each event and each change of the connection. */
export function followLive(changed: () => void): LiveStore {
  const windows: WindowPoint[] = [];
  const store: { -readonly [Key in keyof LiveStore]: LiveStore[Key] } = {
    windows,
    state: undefined,
    heardAt: undefined,
    problem: undefined,
    locked: false,
    async readMinutes(minutes) {
      const answer = await request<{ windows: WindowPoint[] }>(`/api/windows?minutes=${minutes}`).catch(
        () => undefined,
      );
      const later = windows.splice(0);
      mergeWindows(windows, answer?.windows ?? []);
      mergeWindows(windows, later);
    },
  };

  const take = (event: LiveEvent): void => {
    mergeWindows(windows, event.windows);
    store.state = event.state;
    store.heardAt = performance.now();
    store.problem = undefined;
    changed();
  };

  async function connect(): Promise<void> {
    const silent = new AbortController();
    let timer = setTimeout(() => silent.abort(), silentMs);
    try {
      const since = windows.at(-1)?.at ?? Date.now() - 600_000;
      const response = await fetch(`/api/live?since=${since}`, { headers: authorization(), signal: silent.signal });
      store.locked = response.status === 401;
      if (!response.ok || !response.body) throw new Error(`the console's server answers ${response.status}`);
      let text = "";
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) throw new Error("the console's server has closed the connection");
        clearTimeout(timer);
        timer = setTimeout(() => silent.abort(), silentMs);
        text += value;
        const events = text.split("\n\n");
        text = events.pop() ?? "";
        for (const event of events) {
          const data = event.split("\n").find((line) => line.startsWith("data: "));
          if (data) take(JSON.parse(data.slice(6)));
        }
      }
    } finally {
      clearTimeout(timer);
      silent.abort();
    }
  }

  async function run(): Promise<void> {
    let backoffMs = firstBackoffMs;
    for (;;) {
      const heard = store.heardAt;
      try {
        await connect();
      } catch (error) {
        store.problem = error instanceof Error && error.name !== "AbortError" ? error.message : "no answer";
      }
      if (store.heardAt !== heard) backoffMs = firstBackoffMs;
      changed();
      await new Promise((resolve) => setTimeout(resolve, backoffMs * (0.5 + Math.random() / 2)));
      backoffMs = Math.min(backoffMs * 2, longestBackoffMs);
    }
  }
  void run();
  return store;
}
