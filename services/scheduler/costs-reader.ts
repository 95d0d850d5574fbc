import { Worker } from "node:worker_threads";
import type { Costs, StoredCost } from "../../platform/tables/costs.ts";

/** What the worker is asked. */
export interface CostsRequest {
  readonly id: number;
  readonly serverId: string;
}

/** What it answers: costs, or why there are none. */
export type CostsAnswer = { readonly id: number } & ({ readonly costs: CostsMessage } | { readonly failed: string });

/** Costs without objects: ids divided by line feeds (an id holds none), and for each the numbers of its cost. */
export interface CostsMessage extends Omit<Costs, "costs"> {
  readonly queryIds: string;
  readonly values: Float64Array<ArrayBuffer>;
}

/** Three means, three standard deviations, seen, last seen, and the duration or NaN. */
export const numbersPerCost = 9;

export interface CostsReader {
  /** Rejects when the table does not answer. */
  read(serverId: string): Promise<Costs>;
  close(): Promise<void>;
}

/** Reads servers' costs without holding up this thread. The worker starts with the first read, and again after a crash. */
export function createCostsReader(settings: {
  readonly table: string;
  /** Leads the AWS client. */
  readonly environment: NodeJS.ProcessEnv;
}): CostsReader {
  const { environment, ...workerData } = settings;
  let worker: Worker | undefined;
  let lastId = 0;
  const waiting = new Map<number, PromiseWithResolvers<Costs>>();

  function fail(error: unknown): void {
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  }

  function start(): Worker {
    const started = new Worker(new URL("./costs-worker.ts", import.meta.url), { workerData, env: environment });
    started.on("message", (answer: CostsAnswer) => {
      const asked = waiting.get(answer.id);
      waiting.delete(answer.id);
      if ("failed" in answer) asked?.reject(new Error(answer.failed));
      else asked?.resolve(unpacked(answer.costs));
    });
    started.on("error", fail);
    started.on("exit", () => {
      fail(new Error("the thread that reads costs has ended"));
      if (worker === started) worker = undefined;
    });
    started.unref();
    return started;
  }

  return {
    read(serverId) {
      worker ??= start();
      const asked = Promise.withResolvers<Costs>();
      const request: CostsRequest = { id: ++lastId, serverId };
      waiting.set(request.id, asked);
      worker.postMessage(request);
      return asked.promise;
    },
    async close() {
      await worker?.terminate();
    },
  };
}

function unpacked({ queryIds, values, ...rest }: CostsMessage): Costs {
  const costs = new Map<string, StoredCost>();
  const number = (at: number) => values[at] ?? 0;
  for (const [index, queryId] of (queryIds === "" ? [] : queryIds.split("\n")).entries()) {
    const at = index * numbersPerCost;
    costs.set(queryId, {
      mean: [number(at), number(at + 1), number(at + 2)],
      sd: [number(at + 3), number(at + 4), number(at + 5)],
      seen: number(at + 6),
      lastSeenAt: number(at + 7),
      ...(Number.isNaN(number(at + 8)) ? {} : { durationMs: number(at + 8) }),
    });
  }
  return { ...rest, costs };
}
