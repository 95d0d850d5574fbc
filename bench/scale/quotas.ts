/** What AWS lets through, as token buckets in virtual time. Source: the services' quota pages, 2026-11. */
import { z } from "zod";
import type { Clock } from "../../platform/clock.ts";
import { documentAnsweredBy } from "../../test/support/document.ts";
import { itemBytes, writeUnits } from "../cost/sizes.ts";

export interface Quotas {
  /** Write units a second that one partition key takes; bursts beyond are not counted on. */
  readonly partitionUnits: number;
  /** Write units a second that an on-demand table takes before its quota is raised. */
  readonly tableUnits: number;
  /** Invocations at a time. */
  readonly concurrency: number;
  /** A batch write of 25 small items. */
  readonly writeMs: number;
  /** Of a function of 512 MB, which has 0.29 of a core: 68 us of a whole one as `bench scale --processor 60000` measured it. */
  readonly cpuUsPerRow: number;
}

export const defaultQuotas: Quotas = {
  partitionUnits: 1_000,
  tableUnits: 40_000,
  concurrency: 1_000,
  writeMs: 8,
  cpuUsPerRow: 235,
};

class Bucket {
  readonly #perSecond: number;
  #tokens: number;
  #at = 0;

  constructor(perSecond: number) {
    this.#perSecond = perSecond;
    this.#tokens = perSecond;
  }

  take(units: number, now: number): boolean {
    this.#tokens = Math.min(this.#perSecond, this.#tokens + ((now - this.#at) / 1_000) * this.#perSecond);
    this.#at = now;
    if (this.#tokens < units) return false;
    this.#tokens -= units;
    return true;
  }
}

const put = z.object({ PutRequest: z.object({ Item: z.looseObject({ key: z.string() }) }) });
const batch = z.object({ RequestItems: z.record(z.string(), z.array(put)) });

/** Tables with these quotas: what goes beyond them comes back unprocessed, as from DynamoDB. */
export function createStore(quotas: Quotas, clock: Clock) {
  const partitions = new Map<string, Bucket>();
  const tables = new Map<string, Bucket>();
  const counted = { written: 0, throttledByPartition: 0, throttledByTable: 0 };
  const bucket = (buckets: Map<string, Bucket>, name: string, perSecond: number) => {
    const found = buckets.get(name) ?? new Bucket(perSecond);
    buckets.set(name, found);
    return found;
  };
  const takes = (table: string, item: { readonly key: string }): boolean => {
    const units = writeUnits(itemBytes(item));
    const now = clock.monotonic();
    if (!bucket(partitions, `${table} ${item.key}`, quotas.partitionUnits).take(units, now)) {
      counted.throttledByPartition++;
      return false;
    }
    if (!bucket(tables, table, quotas.tableUnits).take(units, now)) {
      counted.throttledByTable++;
      return false;
    }
    counted.written++;
    return true;
  };
  const document = documentAnsweredBy(async (_, input) => {
    await clock.sleep(quotas.writeMs);
    const parsed = batch.safeParse(input);
    if (!parsed.success) return {};
    const left = Object.entries(parsed.data.RequestItems).flatMap(([table, puts]) => {
      const unprocessed = puts.filter(({ PutRequest }) => !takes(table, PutRequest.Item));
      return unprocessed.length === 0 ? [] : [[table, unprocessed]];
    });
    return { UnprocessedItems: Object.fromEntries(left) };
  });
  return { document, counted };
}
