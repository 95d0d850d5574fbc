/** Point-in-time recovery as the tables see it: what was written since then is gone, all at once. */
import { setTimeout as sleep } from "node:timers/promises";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { scan } from "../../platform/tables/query.ts";
import { signal } from "./processes.ts";
import type { World } from "./world.ts";

/** Nothing is written while `work` goes on: a point in time is one for all of a table. */
async function atOnePoint<T>(world: World, work: () => Promise<T>): Promise<T> {
  const gate = Promise.withResolvers<void>();
  const end = world.functionSide.strike(async () => {
    await gate.promise;
    return { do: "pass" };
  });
  // What has passed the proxy already.
  await sleep(300);
  try {
    return await work();
  } finally {
    gate.resolve();
    end();
  }
}

async function keysOf({ aws }: World, table: string): Promise<Map<string, { key: string; at: string }>> {
  const keys = new Map<string, { key: string; at: string }>();
  for await (const { key, at } of scan(aws.document, table)) {
    keys.set(`${key} ${at}`, { key: String(key), at: String(at) });
  }
  return keys;
}

/**
 * Takes the tables back by about two seconds. Functions at work are ended first: a restored table is a new one, to which
 * they are led by a new deployment; none writes rows to the one before and their receipt to the one after.
 */
export async function restoreTables(world: World, tables: readonly string[]): Promise<number> {
  const all = async () =>
    new Map(await Promise.all(tables.map(async (table) => [table, await keysOf(world, table)] as const)));
  const before = await atOnePoint(world, all);
  await sleep(2_000);
  let killed = 0;
  await atOnePoint(world, async () => {
    killed = world.functionProcesses().filter((pid) => signal(pid, "SIGKILL")).length;
    await sleep(100);
    for (const [table, keys] of await all()) {
      const gone = [...keys].filter(([id]) => !before.get(table)?.has(id)).map(([, Key]) => Key);
      for (let start = 0; start < gone.length; start += 25) {
        const requests = gone.slice(start, start + 25).map((Key) => ({ DeleteRequest: { Key } }));
        await world.aws.document.send(new BatchWriteCommand({ RequestItems: { [table]: requests } }));
      }
    }
  });
  return killed;
}
