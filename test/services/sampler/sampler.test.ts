import { beforeEach, describe, expect, it } from "@jest/globals";
import { createLog } from "../../../platform/log.ts";
import { Sampler, SamplesRefused } from "../../../services/sampler/sampler.ts";
import { Told } from "../../../services/sampler/told.ts";
import type { Sample, UsageSource } from "../../../services/sampler/usage.ts";
import { FakeClock } from "../../support/clock.ts";

describe("the sampler", () => {
  let clock: FakeClock;
  let lines: string[];
  let taken: Sample[];
  let refuse: Error | undefined;
  let away: boolean;
  let stop: AbortController;
  let start: number;

  /** Uses half of a core. */
  const source: UsageSource = {
    description: "a made-up database",
    read: () => (away ? undefined : { cpuMs: clock.monotonic() / 2, ioKiB: 0, memoryMiB: 3 }),
  };
  const begin = () => {
    const sampler = new Sampler({
      sampleMs: 100,
      find: () => (away ? Promise.reject(new Error("the database is not running")) : Promise.resolve(source)),
      post: async (samples) => {
        if (refuse) throw refuse;
        taken.push(...samples);
      },
      clock,
      told: new Told(createLog("sampler", (line) => lines.push(JSON.parse(line).message))),
    });
    return sampler.run(stop.signal);
  };
  const total = () => taken.reduce((sum, one) => sum + one.cpuMs, 0);

  beforeEach(() => {
    clock = new FakeClock();
    start = clock.now();
    lines = [];
    taken = [];
    refuse = undefined;
    away = false;
    stop = new AbortController();
  });

  it("tells adjoining stretches with what was used in each", async () => {
    const running = begin();
    await clock.advance(1_000);
    stop.abort();
    await running;
    expect(taken).toHaveLength(10);
    expect(taken[0]).toEqual({ from: start, to: start + 100, cpuMs: 50, ioKiB: 0, memoryMiB: 3 });
    for (const [index, one] of taken.entries()) if (index > 0) expect(one.from).toBe(taken[index - 1]?.to);
  });

  it("keeps samples while the gatekeeper is away, tells so once, and hands them over later", async () => {
    refuse = new Error("connect ECONNREFUSED");
    const running = begin();
    await clock.advance(2_000);
    expect(taken).toEqual([]);
    refuse = undefined;
    await clock.advance(1_000);
    stop.abort();
    await running;
    expect(total()).toBe(1_500);
    expect(lines.filter((line) => line.startsWith("the gatekeeper"))).toEqual([
      "the gatekeeper does not take samples: connect ECONNREFUSED",
      "the gatekeeper takes samples again",
    ]);
  });

  it("does not send again what is refused for good", async () => {
    refuse = new SamplesRefused("POST /usage answered 400");
    const running = begin();
    await clock.advance(1_000);
    refuse = undefined;
    await clock.advance(1_000);
    stop.abort();
    await running;
    expect(total()).toBe(500);
  });

  it("goes on after the database restarted, and tells of it", async () => {
    const running = begin();
    await clock.advance(1_000);
    away = true;
    await clock.advance(1_000);
    away = false;
    await clock.advance(1_000);
    stop.abort();
    await running;
    expect(total()).toBeGreaterThanOrEqual(900);
    expect(total()).toBeLessThanOrEqual(1_000);
    expect(lines).toEqual([
      "measuring a made-up database",
      "nothing is measured: the database is not running",
      "measuring a made-up database",
    ]);
  });

  it.each([3_600_000, -3_600_000])("measures on when the clock jumps by %s ms, and tells of it", async (jump) => {
    const running = begin();
    await clock.advance(1_000);
    clock.setWall(clock.now() + jump);
    await clock.advance(1_000);
    stop.abort();
    await running;
    expect(total()).toBe(1_000);
    expect(taken.every(({ from, to }) => to - from >= 99 && to - from <= 101)).toBe(true);
    expect(taken.at(-1)?.to).toBe(start + 2_000 + jump);
    expect(lines.filter((line) => line.startsWith("the clock jumped 3600.0 s"))).toHaveLength(1);
  });
});
