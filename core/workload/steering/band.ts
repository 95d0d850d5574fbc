/** The box of usages, per resource, in which a window's ticks have to lie. */
export interface Box {
  readonly low: readonly number[];
  readonly high: readonly number[];
}

/** The band around an average usage, as the server judges it: by the floored average. */
export function bandAround(average: readonly number[], width: number): Box {
  const floored = average.map(Math.floor);
  return { low: floored.map((a) => a * (1 - width)), high: floored.map((a) => a * (1 + width)) };
}

export function contains({ low, high }: Box, usage: readonly number[]): boolean {
  for (let r = 0; r < 3; r++) {
    const value = usage[r] ?? 0;
    if (value < (low[r] ?? 0) || value > (high[r] ?? 0)) return false;
  }
  return true;
}

export function averageOf(usages: readonly (readonly number[])[]): number[] {
  const sum = [0, 0, 0];
  for (const usage of usages) for (let r = 0; r < 3; r++) sum[r] = (sum[r] ?? 0) + (usage[r] ?? 0);
  return sum.map((s) => s / usages.length);
}

/** Whether a window of these tick usages is in band for every resource. */
export function inBand(usages: readonly (readonly number[])[], width: number): boolean {
  const box = bandAround(averageOf(usages), width);
  return usages.every((usage) => contains(box, usage));
}
