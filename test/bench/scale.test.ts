import { describe, expect, it } from "@jest/globals";
import { defaultQuotas } from "../../bench/scale/quotas.ts";
import { simulate } from "../../bench/scale.ts";

const run = (more: Partial<Parameters<typeof simulate>[0]> = {}) =>
  simulate({ rate: 200, servers: 2, seconds: 6, seed: 1, quotas: defaultQuotas, ...more });

describe("bench scale", () => {
  it("records all within the quotas, through the recorder's own code", async () => {
    const result = await run();
    expect(result).toMatchObject({ limit: "none", throttledByTable: 0, throttledByPartition: 0, messagesFailed: 0 });
    // Packed until a message is full, which takes 2.2 s at this rate; then written.
    expect(result.secondsToRowP50).toBeGreaterThan(2.1);
    expect(result.secondsToRowP99).toBeLessThan(3.2);
    expect(result.recordedPerSecond).toBeGreaterThan(140);
  });

  it("says which quota holds it back", async () => {
    expect((await run({ quotas: { ...defaultQuotas, tableUnits: 60 } })).limit).toBe("the table's write units");
    expect((await run({ quotas: { ...defaultQuotas, partitionUnits: 1 } })).limit).toBe(
      "write units of one query's partition",
    );
    expect((await run({ rate: 4_000, quotas: { ...defaultQuotas, concurrency: 1, writeMs: 200 } })).limit).toBe(
      "concurrency of functions",
    );
    expect((await run({ rate: 4_000, servers: 1, quotas: { ...defaultQuotas, writeMs: 2_000 } })).limit).toMatch(
      /^the sender/,
    );
  }, 30_000);
});
