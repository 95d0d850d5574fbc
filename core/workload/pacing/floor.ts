import type { Profile } from "./profiles.ts";

/** How far one execution's work lies from its query's mean, as one standard deviation relative to it; and how sure a promise is to be. */
const scatter = 0.15;
const sureSds = 1.64;

export interface Floor {
  /** The narrowest half width of a band that can be kept, relative to the level. */
  readonly width: number;
  /** Why, for a person. */
  readonly reason: string;
}

/**
 * How level seconds of `levelMs` (CPU ms, `backgroundMs` of them not steered) can be made of executions that cannot be
 * split. The largest of three bounds:
 * - the part of the longest that falls into one second even when it lies evenly over two, with the background;
 * - what is left of a second that whole executions fill: half of the smallest one;
 * - what the longest uses, which once started cannot be changed: 90% of its executions lie within 1.64 sd.
 * @returns undefined of nothing
 */
export function floorOf(
  profiles: ReadonlyMap<string, Profile>,
  levelMs: number,
  backgroundMs: number,
  secondMs: number,
): Floor | undefined {
  const most = (of: (profile: Profile) => number) =>
    [...profiles].reduce<[string, number]>(
      (so, [id, profile]) => (of(profile) > so[1] ? [id, of(profile)] : so),
      ["", 0],
    );
  const [longest, part] = most(({ workMs, durationMs }) => Math.min(workMs / 2, (workMs * secondMs) / durationMs));
  const [, inSecond] = most(({ workMs, durationMs }) => workMs * Math.min(1, secondMs / durationMs));
  if (!(levelMs > 0) || longest === "") return undefined;
  const smallest = Math.min(...[...profiles.values()].map(({ workMs }) => workMs));
  const name = `the longest query (${longest}, ${Math.round(profiles.get(longest)?.workMs ?? 0)} CPU ms)`;
  const bounds: Floor[] = [
    {
      width: (part + backgroundMs) / levelMs - 1,
      reason: `${name} exceeds a second's level of ${Math.round(levelMs)} ms`,
    },
    {
      width: smallest / 2 / levelMs,
      reason: `the smallest query takes ${Math.round(smallest)} of a second's ${Math.round(levelMs)} CPU ms`,
    },
    {
      width: (sureSds * scatter * inSecond) / levelMs,
      reason: `${name} cannot be split, nor is it always the same, in a second of ${Math.round(levelMs)} ms`,
    },
  ];
  return bounds.reduce((worst, bound) => (bound.width > worst.width ? bound : worst));
}

/** The half width that can be promised where `wished` was, and in one line why that is not it; null where it is. */
export function promiseOf(floor: Floor | undefined, wished: number): { width: number; why: string | null } {
  if (!floor || floor.width <= wished) return { width: wished, why: null };
  const width = nearestPromise(floor.width);
  const percent = (share: number) => `±${Number((100 * share).toPrecision(3))}%`;
  return {
    width,
    why: `a band of ${percent(wished)} cannot be kept: ${floor.reason}; the nearest promise is ${percent(width)}`,
  };
}

/** The nearest whole percent at or above the floor. */
function nearestPromise(width: number): number {
  return Math.min(0.99, Math.ceil(width * 100 - 1e-9) / 100);
}
