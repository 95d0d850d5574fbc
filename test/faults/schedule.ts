/** Which faults strike in which order: the same for the same seed. */
import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { type Fault, faults } from "./faults.ts";

export function randomOf(seed: number): () => number {
  const generator = xoroshiro128plus(seed);
  return () => uniformFloat64(generator);
}

/**
 * The faults of round `round` that strike alone: every light one comes round before any comes again, heavy ones stand in the
 * first third, before the tables are large, and what may take rows with it comes last, one in each
 * round in turn, since nothing could heal a table that is lost after that.
 * @param length how many faults
 * @param only names, to strike with these alone
 */
export function scheduleRound(seed: number, round: number, length: number, only: readonly string[] = []): Fault[] {
  const random = randomOf(seed * 100_003 + round);
  const chosen = (kind: Fault["kind"]) =>
    faults.filter((fault) => fault.kind === kind && (only.length === 0 || only.includes(fault.name)));
  const kinds = shuffled(chosen("loss"), randomOf(seed));
  const losses = kinds.length > 0 ? kinds.slice(round % kinds.length).slice(0, 1) : [];
  const others: Fault[] = [];
  while (others.length < length - losses.length) {
    const heavy = shuffled(chosen("heavy"), random).slice(0, only.length > 0 ? undefined : 2);
    const light = shuffled(chosen("light"), random);
    if (heavy.length + light.length === 0) break;
    const third = Math.ceil(light.length / 3);
    others.push(...shuffled([...heavy, ...light.slice(0, third)], random), ...light.slice(third));
  }
  return [...others.slice(0, Math.max(0, length - losses.length)), ...losses];
}

/** The long fault that goes on beside the swift ones of round `round`, if there is one: each in its turn, then none. */
export function scheduleLong(round: number): Fault | undefined {
  const long = faults.filter(({ kind }) => kind === "long");
  return long[(round - 1) % (long.length + 1)];
}

/** What strikes at the same time: the first is waited for, the other is of processes that do not record. */
export type SwiftStep = readonly [Fault, ...Fault[]];

/** Kills and pauses in quick succession, of all processes, without end: every one of a batch before any comes again. */
export function* scheduleSwift(seed: number, round: number): Generator<SwiftStep, never> {
  const random = randomOf(seed * 15_485_863 + round);
  const swift = (kind: Fault["swift"]) => faults.filter((fault) => fault.swift === kind);
  for (;;) {
    for (const fault of shuffled([...swift("records"), ...swift("alone")], random)) {
      const [other] = random() < 0.6 ? shuffled(swift("steers"), random) : [];
      yield other && fault.swift === "records" ? [fault, other] : [fault];
    }
  }
}

function shuffled<Item>(items: readonly Item[], random: () => number): Item[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
