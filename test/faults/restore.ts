/** Point-in-time recovery as the tables see it: what was written since then is gone, all at once. */

import { setTimeout as sleep } from "node:timers/promises";
import { BatchWriteCommand } from "@aws-sdk/lib-dynamodb";
import { scan } from "../../platform/tables/query.ts";
import type { World } from "./world.ts";

async function keysOf({ aws }: World, table: string): Promise<Map<string, { key: string; at: string }>> {
  const keys = new Map<string, { key: string; at: string }>();
  for await (const { key, at } of scan(aws.document, table))
    keys.set(`${key} ${at}`, { key: String(key), at: String(at) });
  return keys;
}

/** Takes the tables back by about two seconds. Nothing is written while they are restored. */
export async function restoreTables(world: World, tables: readonly string[]): Promise<number> {
  const gate = Promise.withResolvers<void>();
  const hold = () => world.functionSide.strike(async () => gate.promise.then(() => ({ do: "pass" as const })));
  const before = new Map<string, ReadonlySet<string>>();
  for (const table of tables) before.set(table, new Set((await keysOf(world, table)).keys()));
  await sleep(2_000);
  hold();
  await sleep(200);
  try {
    for (const table of tables) {
      const gone = [...(await keysOf(world, table))]
        .filter(([id]) => !before.get(table)?.has(id))
        .map(([, Key]) => Key);
      for (let start = 0; start < gone.length; start += 25) {
        const requests = gone.slice(start, start + 25).map((Key) => ({ DeleteRequest: { Key } }));
        await world.aws.document.send(new BatchWriteCommand({ RequestItems: { [table]: requests } }));
      }
    }
  } finally {
    gate.resolve();
    world.functionSide.heal();
  }
  return 0;
}
