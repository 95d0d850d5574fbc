import { Worker } from "node:worker_threads";
import type { Costs, StoredCost } from "../../platform/tables/costs.ts";

/** What the worker sends: ids divided by line feeds (an id holds none), and for each the numbers of its cost. */
export interface CostsMessage extends Omit<Costs, "costs"> {
  readonly queryIds: string;
  readonly values: Float64Array<ArrayBuffer>;
}

/** Three means, three standard deviations, seen, last seen, and the duration or NaN. */
export const numbersPerCost = 9;

export interface CostsReader {
  /** Rejects when the table does not answer. */
  read(): Promise<Costs>;
  close(): Promise<void>;
}

/** Reads a server's costs without holding up this thread. The worker starts with the first read, and again after a crash. */
export function createCostsReader(settings: {
  readonly table: string;
  readonly serverId: string;
  /** Leads the AWS client. */
  readonly environment: NodeJS.ProcessEnv;
}): CostsReader {
  const { environment, ...workerData } = settings;
  let worker: Worker | undefined;

  function start(): Worker {
    const started = new Worker(new URL("./costs-worker.ts", import.meta.url), { workerData, env: environment });
    // Each read listens for itself; without this, a crash in between would end the process.
    started.on("error", () => {});
    started.on("exit", () => {
      if (worker === started) worker = undefined;
    });
    started.unref();
    return started;
  }

  return {
    read() {
      worker ??= start();
      const asked = worker;
      return new Promise((resolve, reject) => {
        const settle = (action: () => void) => {
          asked.off("message", onMessage).off("error", onError).off("exit", onExit);
          action();
        };
        const onMessage = (message: CostsMessage | string) =>
          settle(() => (typeof message === "string" ? reject(new Error(message)) : resolve(unpacked(message))));
        const onError = (error: unknown) => settle(() => reject(error));
        const onExit = () => settle(() => reject(new Error("the thread that reads costs has ended")));
        asked.on("message", onMessage).on("error", onError).on("exit", onExit);
        asked.postMessage("read");
      });
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
