/** A short campaign, as in `npm run faults`, and what it would say if our own code lost rows. */
import { describe, expect, it } from "@jest/globals";
import { type CampaignOptions, campaign } from "./campaign.ts";
import { faults } from "./faults.ts";
import type { Mutant } from "./mutants.ts";
import { scheduleRound } from "./schedule.ts";
import { summarize } from "./summary.ts";

const long = process.env.EVENKEEL_LONG === "1";

/** One of each kind; all of them in the long run. */
const few = [
  "database killed in mid-transaction",
  "sender killed before it learns that its message arrived",
  "scheduler killed",
  "function killed in mid-batch",
  "supervisor killed",
  "cloud killed with all its state",
  "resource-windows alone restored",
  "messages lost",
  "table throttled",
  "writes time out after success",
  "connections half-closed",
  "answers corrupted",
  "messages duplicated and out of order",
  "poison",
  "disk full",
  "clock set back by a day, and forth",
  "a second sender on the outbox",
  "outbox file damaged",
];

async function run(options: Partial<CampaignOptions>) {
  const told: string[] = [];
  const rounds = campaign({
    seed: 1,
    rate: 60,
    executions: 1,
    kills: 1,
    faultsPerRound: 10,
    say: (line) => told.push(line),
    ...options,
  });
  const summary = summarize(await Array.fromAsync(rounds));
  return { summary, told: told.join("\n") };
}

describe("a fault campaign", () => {
  it("strikes in the same order for the same seed, with every fault that costs no more than seconds in each round", () => {
    const names = (seed: number) => scheduleRound(seed, 2, 40).map(({ name }) => name);
    expect(names(1)).toEqual(names(1));
    expect(names(1)).not.toEqual(names(2));
    const light = faults.filter(({ kind }) => kind === "light").map(({ name }) => name);
    expect(light.filter((name) => !names(1).includes(name))).toEqual([]);
    const losses = faults.filter(({ kind }) => kind === "loss").map(({ name }) => name);
    const struck = losses.map((_, round) => scheduleRound(1, round + 1, 40).at(-1)?.name);
    expect(struck.toSorted()).toEqual(losses.toSorted());
  });

  it("loses nothing, doubles nothing, and recovers from each fault", async () => {
    const { summary, told } = await run(
      long
        ? { executions: 1_000_000, kills: 1_000, rate: 600, faultsPerRound: 40, swiftPerRound: 150 }
        : { only: few, faultsPerRound: few.length },
    );
    expect({ told, summary }).toMatchObject({
      summary: { lost: 0, duplicated: 0, wrong: 0, auditMissing: 0, notRecovered: 0, failed: [] },
    });
    expect(summary.executions).toBeGreaterThan(500);
    if (!long) expect(Object.keys(summary.faults).sort()).toEqual([...few].sort());
  }, 6_000_000);

  const planted: readonly (readonly [Mutant, string])[] = [
    ["greatest seen", "messages lost"],
    ["forgets what waits", "database killed"],
    ["receipt first", "database paused"],
  ];

  it.each(long ? planted : planted.slice(0, 2))(
    "finds what is lost by a mutant of our own code: %s",
    async (mutant, fault) => {
      const { summary } = await run({ mutant, only: [fault], faultsPerRound: 1, kills: 0, patienceMs: 8_000 });
      expect(summary.lost).toBeGreaterThan(0);
      expect(summary.auditMissing).toBeGreaterThan(0);
    },
    300_000,
  );
});
