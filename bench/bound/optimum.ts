import type { Highs } from "highs";

/** Percent of a tick: cpu, io, memory. */
type Cost = readonly number[];

/** An execution of the instance. Ticks count from the instance's first, which is 0. */
export interface Job {
  readonly cost: Cost;
  /** The first tick in which it may run: 0 or later. */
  readonly earliest: number;
  /** The last tick in which it is not late; below 0 where it is late already. */
  readonly due: number;
}

export interface Instance {
  readonly jobs: readonly Job[];
  readonly windows: number;
  readonly windowTicks: number;
  readonly bandWidth: number;
  /** At most so many executions may run, and so many become late within the horizon. */
  readonly mostRun: number;
  readonly mostLate: number;
}

/** The most windows that can be in band; without a proof within the time limit only an upper bound: all of them. */
export interface Optimum {
  readonly inBand: number;
  readonly proven: boolean;
}

/**
 * The instance as a mixed-integer program in CPLEX LP format. `x_i_t` is 1 when execution i runs in tick t of a window in
 * band, `y_i_w` when it runs somewhere in window w that is not (in its first tick as far as lateness goes), `z_w` when
 * window w is in band. With `A_r` the mean over the window's ticks of `s_tr = sum_i c_ir x_i_t`: the band is
 * `0.9 (A_r - z_w) <= s_tr <= 1.1 A_r`, which no level window violates, whatever the floor of its average. All x of a window
 * not in band are 0, so that no large constant is needed.
 */
export function program(instance: Instance): string {
  const { jobs, windows, windowTicks, bandWidth, mostRun, mostLate } = instance;
  const ticks = windows * windowTicks;
  const rows: string[] = [];
  const binaries: string[] = [];
  const sum = (terms: readonly string[]) => terms.join(" + ");
  const windowsOf = Array.from({ length: windows }, (_, w) => w);
  const runs = jobs.map(({ earliest }, i) => {
    const exact: { tick: number; name: string }[] = [];
    for (let tick = earliest; tick < ticks; tick++) exact.push({ tick, name: `x_${i}_${tick}` });
    const loose = windowsOf
      .filter((w) => (w + 1) * windowTicks > earliest)
      .map((w) => ({ tick: Math.max(earliest, w * windowTicks), name: `y_${i}_${w}`, window: w }));
    return { exact, loose };
  });
  for (const [i, { exact, loose }] of runs.entries()) {
    const all = [...exact, ...loose];
    binaries.push(...all.map(({ name }) => name));
    if (all.length > 0) rows.push(`${sum(all.map(({ name }) => name))} <= 1`);
    for (const w of windowsOf) {
      const inside = exact.filter(({ tick }) => Math.floor(tick / windowTicks) === w).map(({ name }) => name);
      if (inside.length > 0) rows.push(`${sum(inside)} - z_${w} <= 0`);
    }
    for (const { name, window } of loose) rows.push(`${name} + z_${window} <= 1`);
    const due = jobs[i]?.due ?? -1;
    if (due < 0 || due >= ticks) continue;
    binaries.push(`late_${i}`);
    const inTime = all.filter(({ tick }) => tick <= due).map(({ name }) => name);
    rows.push(`${sum([...inTime, `late_${i}`])} >= 1`);
  }
  for (const w of windowsOf) {
    binaries.push(`z_${w}`);
    const inside = Array.from({ length: windowTicks }, (_, at) => w * windowTicks + at);
    const in_ = (tick: number) =>
      runs.flatMap(({ exact }, i) => exact.filter((run) => run.tick === tick).map(({ name }) => ({ name, i })));
    for (const tick of inside) {
      const here = in_(tick).map(({ name }) => name);
      rows.push(here.length > 0 ? `${sum(here)} - z_${w} >= 0` : `z_${w} <= 0`);
      for (const r of [0, 1, 2]) {
        const terms = (share: number) =>
          inside
            .flatMap((at) => in_(at).map(({ name, i }) => ({ at, name, c: jobs[i]?.cost[r] ?? 0 })))
            .map(({ at, name, c }) => ({ name, factor: (at === tick ? c : 0) - (share * c) / windowTicks }))
            .filter(({ factor }) => factor !== 0)
            .map(({ name, factor }) => `${factor < 0 ? "-" : "+"} ${Math.abs(factor)} ${name}`);
        const low = terms(1 - bandWidth);
        const high = terms(1 + bandWidth);
        if (low.length > 0) rows.push(`${low.join(" ")} + ${1 - bandWidth} z_${w} >= 0`);
        if (high.length > 0) rows.push(`${high.join(" ")} <= 0`);
      }
    }
  }
  const ran = runs.flatMap(({ exact, loose }) => [...exact, ...loose].map(({ name }) => name));
  if (ran.length > 0) rows.push(`${sum(ran)} <= ${mostRun}`);
  const late = binaries.filter((name) => name.startsWith("late_"));
  if (late.length > 0) rows.push(`${sum(late)} <= ${mostLate}`);
  const lines = rows.map((row, at) => ` r${at}: ${row}`);
  return [
    "Maximize",
    ` level: ${sum(windowsOf.map((w) => `z_${w}`))}`,
    "Subject To",
    ...lines,
    "Binaries",
    ...binaries.map((name) => ` ${name}`),
    "End",
  ].join("\n");
}

/** Solves it exactly, or says that the time limit came first. */
export function optimum(highs: Highs, instance: Instance, timeLimitSeconds: number): Optimum {
  const result = highs.solve(program(instance), { output_flag: false, time_limit: timeLimitSeconds });
  if (result.Status === "Optimal") return { inBand: Math.round(result.ObjectiveValue), proven: true };
  return { inBand: instance.windows, proven: false };
}
