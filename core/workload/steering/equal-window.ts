import type { RandomGenerator } from "pure-rand/types/RandomGenerator";
import { exchange } from "./exchange.ts";
import type { Item } from "./item.ts";
import type { WindowPlan } from "./problem.ts";

/** More than these, oldest first, take part in no exchange. */
const mostExchanged = 200;

/** A window of three or more executions a tick, the same number in each; one fewer where that fits better. */
export function beginEqual(perTick: number, random: RandomGenerator): WindowPlan {
  let groups: Item[][] = [];
  let number = perTick;
  let excess = 1;
  return {
    get wanted() {
      return excess > 0 ? undefined : new Set(groups.flat());
    },
    next({ items, position, windowTicks, realised, bandWidth, next, budgetTicks, inTime }) {
      const waiting = new Set(items);
      const planned = groups.flat().filter((item) => waiting.has(item));
      const taken = new Set(planned);
      const ordered = [...planned, ...items.filter((item) => !taken.has(item))].slice(
        0,
        number * windowTicks + mostExchanged,
      );
      let best: { groups: Item[][]; excess: number } | undefined;
      for (const size of position === 0 ? [number, number - 1] : [number]) {
        const ticks = Math.min(windowTicks - position, Math.floor(ordered.length / Math.max(1, size)));
        if (size < 1 || ticks === 0) continue;
        const plan = exchange(
          {
            items: ordered,
            perTick: size,
            remainingTicks: ticks,
            realised: realised.flat(),
            bandWidth,
            tries: position === 0 ? 6000 : 3000,
            heatAtFirst: position === 0 ? 0.01 : 0,
            keepBefore: next - budgetTicks,
            inTime,
          },
          random,
        );
        if (!best || plan.excess < best.excess)
          best = { groups: plan.groups.map((group) => group.flatMap((at) => ordered[at] ?? [])), excess: plan.excess };
        if (plan.excess === 0) break;
      }
      groups = best?.groups ?? [];
      excess = best?.excess ?? 1;
      number = groups[0]?.length ?? number;
      return groups.shift();
    },
  };
}
