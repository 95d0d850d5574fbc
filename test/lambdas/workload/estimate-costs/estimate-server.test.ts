import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import type { Estimator } from "../../../../core/workload/estimator/estimator.ts";
import { estimateServer } from "../../../../lambdas/workload/estimate-costs/estimate-server.ts";
import { readVersion } from "../../../../platform/tables/costs-version.ts";
import { windowItem } from "../../../../platform/tables/windows.ts";
import { askedFor, documentAnsweredBy } from "../../../support/document.ts";
import { windowRow } from "../../../support/rows.ts";

const startMs = Date.UTC(2026, 10, 21, 6);
const publishing = z.object({ ExpressionAttributeValues: z.object({ ":version": z.number() }) });

/** Tables in memory: windows by range, one version item. `forgetful`: without the marks of refused windows. */
function tablesWith(count: number, forgetful: boolean) {
  const windows = Array.from({ length: count }, (_, index) =>
    windowItem("s", "i", windowRow(index + 1, { endedAt: startMs + 1_000 * index }), 60),
  );
  let version: object | undefined;
  return documentAnsweredBy((command, input) => {
    if (/Get/.test(command)) return { Item: version };
    if (/Put/.test(command)) {
      const { Item } = z.object({ Item: z.looseObject({}) }).parse(input);
      version = forgetful ? { ...Item, refused: [] } : Item;
    }
    if (/Update/.test(command))
      version = { ...version, published: publishing.parse(input).ExpressionAttributeValues[":version"] };
    if (/Put|Update|Batch/.test(command)) return {};
    const { partition, from, to } = askedFor(input);
    return { Items: windows.filter(({ key, at }) => key === partition && at >= from && at <= to) };
  });
}

/** Remembers which windows it was given. */
function countingEstimator(seen: Set<string>): Estimator {
  const nothing = { mean: [0, 0, 0], sd: [0, 0, 0], seen: 0, lastSeenAt: 0 } as const;
  return {
    observe(windows) {
      const fresh = windows.filter(({ key }) => !seen.has(key));
      for (const { key } of fresh) seen.add(key);
      return { accepted: fresh.length, rejected: { duplicate: windows.length - fresh.length } };
    },
    estimate: () => ({ costs: new Map(), prior: nothing, quality: {} }),
    save: () => new TextEncoder().encode(JSON.stringify([...seen])),
  };
}

function setUp(windows: number, forgetful = false) {
  let state: Uint8Array = new Uint8Array();
  const services = {
    document: tablesWith(windows, forgetful),
    tables: { windows: "windows", costs: "costs" },
    states: {
      put: async (_: string, version: number, bytes: Uint8Array) => {
        state = bytes;
        return `state-${version}`;
      },
      get: async () => state,
      remove: async () => {},
    },
    createEstimator: () => countingEstimator(new Set()),
    restoreEstimator: (bytes: Uint8Array) =>
      countingEstimator(new Set(z.array(z.string()).parse(JSON.parse(new TextDecoder().decode(bytes))))),
    now: () => startMs + 8 * 3_600_000,
    sleep: async () => {},
    random: () => 0,
    warn: () => {},
  };
  return services;
}

describe("a run over more windows than it reads at a time", () => {
  it("reads them all, over the borders of hours and of chunks", async () => {
    const result = await estimateServer(setUp(12_000), "s", new AbortController().signal);
    expect(result).toMatchObject({ outcome: "published", windows: 12_000 });
  });

  it("publishes what it got when its time is over, and the next run reads on", async () => {
    const services = setUp(12_000);
    const over = AbortSignal.abort();
    expect(await estimateServer(services, "s", over)).toMatchObject({ windows: 5_000 });
    // It begins again 5 minutes back, 300 windows, and the one it ended with.
    expect(await estimateServer(services, "s", over)).toMatchObject({ windows: 4_699, rejected: { duplicate: 301 } });
    expect(await estimateServer(services, "s", over)).toMatchObject({ windows: 2_301 });
    expect(await estimateServer(services, "s", over)).toMatchObject({ outcome: "unchanged" });
  });

  it("counts windows that cannot be used once, however often they are read", async () => {
    const refusing = (seen: Set<string>): Estimator => {
      const estimator = countingEstimator(seen);
      const isFaulty = ({ endedAt }: { readonly endedAt: number }) => (endedAt - startMs) % 2_000 === 0;
      return {
        ...estimator,
        observe(windows) {
          const { accepted, rejected } = estimator.observe(windows.filter((window) => !isFaulty(window)));
          return { accepted, rejected: { ...rejected, negative: windows.filter(isFaulty).length } };
        },
      };
    };
    const countedBy = async (forgetful: boolean) => {
      const base = setUp(12_000, forgetful);
      const services = {
        ...base,
        createEstimator: () => refusing(new Set()),
        restoreEstimator: (bytes: Uint8Array) =>
          refusing(new Set(z.array(z.string()).parse(JSON.parse(new TextDecoder().decode(bytes))))),
      };
      for (let run = 0; run < 3; run++) await estimateServer(services, "s", AbortSignal.abort());
      const { item } = await readVersion(services.document, "costs", "s");
      expect(item?.windows).toBe(6_000);
      return item?.rejected?.negative;
    };
    expect(await countedBy(false)).toBe(6_000);
    // The planted fault: windows of the look-back are counted anew.
    expect(await countedBy(true)).toBeGreaterThan(6_000);
  });
});
