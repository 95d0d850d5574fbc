/** Windows as they come from outside: what of each can be used. */
import { type Band, resources, type WindowObservation } from "../types.ts";

/** No tick of a real server uses this many times its capacity. */
const absurd = 1e9;
const latestTime = 8.64e15;
const mostTicks = 10_000;
const mostExecutions = 100_000;

/** What is usable: [average, min, max] of each resource, NaN where the band is not; and why not, one entry a fault. */
export interface CheckedWindow {
  readonly bands: Float64Array;
  readonly usable: boolean;
  readonly faults: readonly string[];
}

const nothing = new Float64Array(9).fill(Number.NaN);
const refused = (fault: string): CheckedWindow => ({ bands: nothing, usable: false, faults: [fault] });

function bandFault(band: Band | undefined): string | undefined {
  if (!band) return "band-missing";
  const { average, min, max } = band;
  if (![average, min, max].every((x) => typeof x === "number" && !Number.isNaN(x))) return "not-a-number";
  if (min < 0 || average < 0 || max < 0) return "negative";
  if (max > absurd || average > absurd || min > absurd) return "absurd";
  // The average is floored, so it may lie below a fractional minimum by less than one.
  if (min > average + 1) return "min-above-average";
  if (average > max) return "average-above-max";
  return undefined;
}

/** A faulty band costs its resource only; faults of time, ticks or all three bands cost the window. */
export function checkWindow(window: WindowObservation): CheckedWindow {
  const { endedAt, firstTick, ticks } = window;
  if (!Number.isFinite(endedAt) || endedAt < 0 || endedAt > latestTime) return refused("bad-time");
  if (!Number.isSafeInteger(firstTick) || firstTick < 0) return refused("bad-tick");
  if (ticks.length === 0) return refused("no-ticks");
  const executions = ticks.reduce((sum, tick) => sum + tick.length, 0);
  if (ticks.length > mostTicks || executions > mostExecutions) return refused("too-large");

  const bands = new Float64Array(9);
  const faults: string[] = [];
  resources.forEach((resource, r) => {
    const band = window.metrics[resource];
    const fault = bandFault(band);
    if (fault) faults.push(fault);
    bands.set(fault ? [Number.NaN, Number.NaN, Number.NaN] : [band.average, band.min, band.max], 3 * r);
  });
  if (faults.length === resources.length) return { bands, usable: false, faults };
  if (executions === 0) {
    // All that it could tell is that nothing costs nothing; usage without executions means that they ran unseen.
    return refused(bands.some((usage) => usage > 0) ? "usage-without-executions" : "no-executions");
  }
  return { bands, usable: true, faults };
}
