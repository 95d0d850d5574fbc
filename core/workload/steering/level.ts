import type { Item } from "./item.ts";

const mostSteps = 40;

/**
 * The executions whose summed usage comes nearest to `target`, oldest preferred: begins with the oldest and adds,
 * removes or exchanges one at a time while the objective falls. The objective is the squared relative distance from
 * the target in units of `tolerance`, summed over resources, plus the weight of what is left waiting.
 * O(m n) per step for m chosen of n items; a few steps for each of the m.
 * @param items oldest first
 */
export function nearest(
  items: readonly Item[],
  target: readonly number[],
  tolerance: number,
  weightOf: (item: Item) => number,
): Item[] {
  const n = items.length;
  const x = new Float64Array(3 * n);
  const weight = new Float64Array(n);
  for (const [i, item] of items.entries()) {
    for (let r = 0; r < 3; r++) x[3 * i + r] = (item.cost[r] ?? 0) / Math.max(1e-9, target[r] ?? 0) / tolerance;
    weight[i] = weightOf(item);
  }
  const goal = 1 / tolerance;
  const chosen = new Uint8Array(n);
  let d0 = -goal;
  let d1 = -goal;
  let d2 = -goal;
  for (let i = 0; i < n && d0 + d1 + d2 < 0; i++) {
    chosen[i] = 1;
    d0 += x[3 * i] ?? 0;
    d1 += x[3 * i + 1] ?? 0;
    d2 += x[3 * i + 2] ?? 0;
  }
  for (let step = 0; step < mostSteps; step++) {
    const now = d0 * d0 + d1 * d1 + d2 * d2;
    let best = -1e-9;
    let out = -1;
    let into = -1;
    for (let i = -1; i < n; i++) {
      if (i >= 0 && chosen[i] !== 1) continue;
      const e0 = i < 0 ? d0 : d0 - (x[3 * i] ?? 0);
      const e1 = i < 0 ? d1 : d1 - (x[3 * i + 1] ?? 0);
      const e2 = i < 0 ? d2 : d2 - (x[3 * i + 2] ?? 0);
      const lost = i < 0 ? 0 : (weight[i] ?? 0);
      for (let j = i < 0 ? 0 : -1; j < n; j++) {
        if (j >= 0 && chosen[j] === 1) continue;
        const f0 = j < 0 ? e0 : e0 + (x[3 * j] ?? 0);
        const f1 = j < 0 ? e1 : e1 + (x[3 * j + 1] ?? 0);
        const f2 = j < 0 ? e2 : e2 + (x[3 * j + 2] ?? 0);
        const change = f0 * f0 + f1 * f1 + f2 * f2 - now + lost - (j < 0 ? 0 : (weight[j] ?? 0));
        if (change < best) {
          best = change;
          out = i;
          into = j;
        }
      }
    }
    if (out < 0 && into < 0) break;
    for (const [index, sign] of [[out, -1] as const, [into, 1] as const]) {
      if (index < 0) continue;
      chosen[index] = sign > 0 ? 1 : 0;
      d0 += sign * (x[3 * index] ?? 0);
      d1 += sign * (x[3 * index + 1] ?? 0);
      d2 += sign * (x[3 * index + 2] ?? 0);
    }
  }
  return items.filter((_, i) => chosen[i] === 1);
}
