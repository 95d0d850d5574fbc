import { describe, expect, it } from "@jest/globals";
import { inTime, systemClock } from "../../platform/clock.ts";
import { FakeClock } from "../support/clock.ts";

const never = new Promise<never>(() => {});

describe("systemClock", () => {
  it("sleeps, but not beyond an abort", async () => {
    const start = systemClock.monotonic();
    await systemClock.sleep(20);
    expect(systemClock.monotonic() - start).toBeGreaterThan(18);
    await systemClock.sleep(3_600_000, AbortSignal.timeout(10));
    await systemClock.sleep(Number.MAX_SAFE_INTEGER, AbortSignal.abort());
    expect(systemClock.monotonic() - start).toBeLessThan(5_000);
  });
});

describe("inTime", () => {
  it("gives what comes in time, and no later sleeper stays behind", async () => {
    const clock = new FakeClock();
    const options = { ms: 1_000, message: "too late", signal: new AbortController().signal };
    expect(await inTime(clock, Promise.resolve(5), options)).toBe(5);
    await expect(inTime(clock, Promise.reject(new Error("own")), options)).rejects.toThrow("own");
    expect(clock.sleeping).toBe(0);
    const late = inTime(clock, never, options);
    const settled = expect(late).rejects.toThrow("too late");
    await clock.advance(1_000);
    await settled;
  });

  it("waits no longer than until an abort", async () => {
    const stop = new AbortController();
    const waiting = inTime(new FakeClock(), never, { ms: 1_000, message: "too late", signal: stop.signal });
    stop.abort();
    await expect(waiting).rejects.toThrow("too late");
  });
});
