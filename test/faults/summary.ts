/** A campaign's figures. Times in seconds. */
import type { RoundResult, Struck } from "./campaign.ts";

export interface Summary {
  readonly rounds: number;
  readonly executions: number;
  readonly kills: number;
  readonly lost: number;
  /** Rows that went with an outbox file that was damaged on purpose; each was counted and told. */
  readonly told: number;
  readonly duplicated: number;
  readonly wrong: number;
  readonly auditMissing: number;
  readonly recoveryP50: number | null;
  readonly recoveryP99: number | null;
  readonly recoveryMax: number | null;
  readonly drainP50: number | null;
  readonly drainMax: number | null;
  /** Faults after which nothing new was recorded within 90 s. */
  readonly notRecovered: number;
  /** Faults that did not come about as they should, or found what must not be: why. */
  readonly failed: readonly string[];
  readonly faults: Readonly<Record<string, FaultSummary>>;
}

export interface FaultSummary {
  readonly count: number;
  readonly kills: number;
  readonly recoveryP50: number | null;
  readonly recoveryP99: number | null;
  readonly recoveryMax: number | null;
  readonly drainMax: number | null;
}

export function summarize(rounds: readonly RoundResult[]): Summary {
  const struck = rounds.flatMap((round) => round.struck);
  const total = (count: (round: RoundResult) => number) => rounds.reduce((sum, round) => sum + count(round), 0);
  const times = (of: readonly Struck[], which: "recovery" | "drain") => of.flatMap((one) => one[which] ?? []);
  const byFault = Map.groupBy(struck, ({ fault }) => fault);
  return {
    rounds: rounds.length,
    executions: total(({ executions }) => executions),
    kills: struck.reduce((sum, { kills }) => sum + kills, 0),
    lost: total(({ lost }) => lost),
    told: total(({ told }) => told),
    duplicated: total(({ duplicated }) => duplicated),
    wrong: total(({ wrong }) => wrong),
    auditMissing: total(({ auditMissing }) => auditMissing),
    recoveryP50: quantile(times(struck, "recovery"), 0.5),
    recoveryP99: quantile(times(struck, "recovery"), 0.99),
    recoveryMax: quantile(times(struck, "recovery"), 1),
    drainP50: quantile(times(struck, "drain"), 0.5),
    drainMax: quantile(times(struck, "drain"), 1),
    notRecovered: struck.filter(({ recovery }) => recovery === undefined).length,
    failed: struck.flatMap(({ fault, failed }) => (failed === undefined ? [] : [`${fault}: ${failed}`])),
    faults: Object.fromEntries(
      [...byFault].sort().map(([fault, of]) => [
        fault,
        {
          count: of.length,
          kills: of.reduce((sum, { kills }) => sum + kills, 0),
          recoveryP50: quantile(times(of, "recovery"), 0.5),
          recoveryP99: quantile(times(of, "recovery"), 0.99),
          recoveryMax: quantile(times(of, "recovery"), 1),
          drainMax: quantile(times(of, "drain"), 1),
        },
      ]),
    ),
  };
}

/** The value at or below which the share `q` lies (nearest rank), to the hundredth; null of none. */
export function quantile(values: readonly number[], q: number): number | null {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)];
  return value === undefined ? null : Math.round(value * 100) / 100;
}
