import { levelShare } from "../../core/workload/measures.ts";
import type { ReportLine } from "../../local/demo-application.ts";

/** What is asked of a meter; moments in Unix ms. */
export interface Readings {
  between(from: number, to: number): { cpuMs: number; ioKiB: number; memoryMiB: number };
}

export interface Phase {
  readonly reports: readonly ReportLine[];
  readonly meter: Readings;
  /** Unix ms. */
  readonly from: number;
  readonly to: number;
  /** When one of the gatekeeper's windows ended, Unix ms: what it levels are these. */
  readonly windowEndsAt: number;
}

/** CPU ms of the seconds of a phase in which reports waited or ran, `shift` ms off the gatekeeper's windows. */
export function busySeconds({ reports, meter, from, to, windowEndsAt }: Phase, shift = 0): number[] {
  const seconds: number[] = [];
  const first = from + ((((windowEndsAt + shift - from) % 1_000) + 1_000) % 1_000);
  for (let at = first; at + 1_000 <= to; at += 1_000) {
    const active = reports.some(({ arrivedAt, endedAt }) => arrivedAt < at + 1_000 && endedAt > at);
    if (active) seconds.push(meter.between(at, at + 1_000).cpuMs);
  }
  return seconds;
}

/** The share in band of seconds that begin at any tenth of the gatekeeper's windows, on average. */
export function inBandAnyPhase(phase: Phase): number {
  const shares = Array.from({ length: 10 }, (_, tenth) => levelShare(busySeconds(phase, tenth * 100)) ?? 0);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}

/** Whether each report gave the same rows in both phases; bursts whose numbers are equal modulo `cycle` ask for the same. */
export function sameResults(naive: readonly ReportLine[], gated: readonly ReportLine[], cycle: number): boolean {
  const keyed = (reports: readonly ReportLine[]) =>
    reports.map(({ burst, index, name, checksum }) => `${burst % cycle} ${index} ${name} ${checksum}`).sort();
  return JSON.stringify(keyed(naive)) === JSON.stringify(keyed(gated));
}
