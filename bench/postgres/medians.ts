/** A run's figures by name; one that a run could not tell is null. */
export type Figures = Readonly<Record<string, number | boolean | null>>;

/**
 * Each figure's median over the runs that told it (the lower of the middle two), null where none did; of what is true
 * or false, whether it was true in every run.
 */
export function medians(runs: readonly Figures[]): Figures {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, median(runs.map((run) => run[name] ?? null))]));
}

function median(values: readonly (number | boolean | null)[]): number | boolean | null {
  if (values.some((value) => typeof value === "boolean")) return values.every((value) => value === true);
  const told = values.filter((value) => typeof value === "number").sort((a, b) => a - b);
  return told[Math.ceil(told.length / 2) - 1] ?? null;
}
