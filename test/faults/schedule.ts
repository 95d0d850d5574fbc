/** Which faults strike in which order: the same for the same seed. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { type Fault, faults } from "./faults.ts";

export function randomOf(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

/**
 * The faults of round `round`: every light one comes round before any comes again, heavy ones stand between, and what may
 * take rows with it comes last, since nothing could heal a table that is lost after that.
 * @param length how many faults
 * @param only names, to strike with these alone
 */
export function scheduleRound(seed: number, round: number, length: number, only: readonly string[] = []): Fault[] {
  const random = randomOf(seed * 100_003 + round);
  const chosen = (kind: Fault["kind"]) =>
    faults.filter((fault) => fault.kind === kind && (only.length === 0 || only.includes(fault.name)));
  const losses = shuffled(chosen("loss"), random).slice(0, 1);
  const others: Fault[] = [];
  while (others.length < length - losses.length) {
    const heavy = shuffled(chosen("heavy"), random).slice(0, only.length > 0 ? undefined : 2);
    const batch = shuffled([...chosen("light"), ...heavy], random);
    if (batch.length === 0) break;
    others.push(...batch);
  }
  const order = [...others.slice(0, Math.max(0, length - losses.length)), ...losses];
  // The long ones once in ten rounds.
  return round % 10 === 0 && length >= 40 ? [...chosen("long"), ...order] : order;
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
