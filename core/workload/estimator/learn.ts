import { type Belief, DenseBelief } from "./belief.ts";
import type { Equations } from "./equations.ts";
import { Population } from "./population.ts";
import { Propagation } from "./propagation.ts";

export interface Learned {
  /** Belief per resource over the columns. */
  readonly beliefs: readonly Belief[];
  readonly population: Population;
  readonly integer: boolean;
  /** Executions that ran unseen, per one seen. */
  readonly unseen: number;
}

/** Usage per execution, over all usable windows of each resource. */
function meanCosts(equations: Equations): number[] {
  const { spans, totals } = equations;
  return [0, 1, 2].map((r) => {
    let usage = 0;
    let executions = 0;
    spans.forEach((span, w) => {
      const average = span.bands[3 * r] ?? Number.NaN;
      if (Number.isNaN(average)) return;
      usage += (average + 0.45) * span.ticks.length;
      for (let k = totals.start[w] ?? 0; k < (totals.start[w + 1] ?? 0); k++) executions += totals.count[k] ?? 0;
    });
    return usage / Math.max(executions, 1);
  });
}

export function learn(equations: Equations, columns: number, rounds = 40): Learned {
  const means = meanCosts(equations);
  const population = new Population(means, 0.5);
  const assumptions = { integer: false, unseen: 0.002 };
  const all = [0, 1, 2].map(
    (r) =>
      new Propagation(equations, r, columns, new DenseBelief(columns), {
        ...assumptions,
        execution: { mean: means[r] ?? 0, variance: ((means[r] ?? 0) * 0.5) ** 2 },
      }),
  );
  const none = { mean: new Float64Array(columns), variance: new Float64Array(columns).fill(1e9) };
  population.priors(
    [none, none, none],
    columns,
    all.map((p) => p.prior),
  );
  for (const p of all) p.solve();
  let integer = false;
  for (let round = 0; round < rounds; round++) {
    const step = round < 10 ? 0.6 : 0.5;
    let unseen = 0;
    let seen = 0;
    for (const p of all) {
      p.readWindows(step);
      if (integer) p.readLattice(step);
      unseen += p.unseen;
      seen += p.seen;
      p.solve();
    }
    if (round === 8 && columns >= 12) population.split();
    if (round >= 4) {
      const evidence = all.map((p) => p.evidence());
      population.refine(evidence, columns);
      if (round > 8) population.refine(evidence, columns);
      population.priors(
        evidence,
        columns,
        all.map((p) => p.prior),
      );
      const { mean, variance } = population.moments();
      all.forEach((p, r) => {
        p.assumptions.execution.mean = mean[r] ?? 0;
        p.assumptions.execution.variance = variance[r] ?? 0;
        p.assumptions.unseen = (unseen + 0.02) / (seen + 10);
      });
    }
    if (round >= 12) {
      integer = all.reduce((sum, p) => sum + p.integrality(), 0) > 10;
      for (const p of all) p.assumptions.integer = integer;
    }
  }
  return { beliefs: all.map((p) => p.belief), population, integer, unseen: all[0]?.assumptions.unseen ?? 0 };
}
