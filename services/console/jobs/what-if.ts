/** Recorded traffic run again under other budgets: the same functions as `evenkeel frontier` and `evenkeel replay`. */
import { budgetsFor, frontier } from "../../../core/workload/what-if/frontier.ts";
import { whatHappened } from "../../../core/workload/what-if/recorded.ts";
import { type Recording, warmupTicksOf } from "../../../core/workload/what-if/recording.ts";
import type { Measures } from "../../../core/workload/what-if/tally.ts";
import { type AwsEnvironment, createDocument } from "../../../platform/aws.ts";
import { parseEnvironment } from "../../../platform/config.ts";
import { workloadEnvironment } from "../../../platform/environment.ts";
import { readCosts } from "../../../platform/tables/costs.ts";
import { readTraffic } from "../../../platform/tables/traffic.ts";
import type { WhatIf } from "../contract/jobs.ts";
import { type Say, TaskError, type WhatIfTask } from "./tasks.ts";

/** Of the whole: reading first, then trying. */
const readingShare = 0.3;

/** @throws TaskError when there is nothing to run again, or no cost is known */
export async function whatWouldHappen(asked: WhatIfTask, environment: AwsEnvironment, say: Say): Promise<WhatIf> {
  const { serverId, from, to, defaultDelayTicks } = asked;
  const knobs = { ...asked.knobs, enabled: true };
  const names = parseEnvironment(workloadEnvironment, environment);
  const document = createDocument(environment);
  const tables = { executions: names.EVENKEEL_EXECUTIONS_TABLE, windows: names.EVENKEEL_WINDOWS_TABLE };
  const onProgress = (share: number) => say("reading what was recorded", share * readingShare);
  try {
    const traffic = await readTraffic({ document, tables, serverId, fromMs: from, toMs: to, onProgress });
    const { costs, prior, version } = await readCosts(document, names.EVENKEEL_COSTS_TABLE, serverId);
    const { executions, windows, ticks, tickMs, windowTicks, unreadable } = traffic;
    if (tickMs === undefined || windowTicks === undefined || executions.length === 0)
      throw new TaskError("nothing is recorded in this time: choose another one");
    if (!prior || version === 0)
      throw new TaskError("no costs are known yet: the first estimate comes within a minute");
    const recording: Recording = { clockwork: { tickMs, windowTicks, defaultDelayTicks }, arrivals: executions, ticks };
    const budgets = asked.budgets ?? budgetsFor(recording, knobs.latencyP95Seconds);
    const points = run(
      frontier({
        recording,
        costs: { costs, prior },
        knobs,
        seed: 1,
        warmupTicks: warmupTicksOf(recording),
        budgets,
        apis: ["place"],
        bursts: [],
      }),
      (share) => say("running it again", readingShare + share * (1 - readingShare)),
    );
    const unknown = executions.filter(({ queryId }) => !costs.has(queryId)).length;
    return {
      from,
      to,
      executions: executions.length,
      bandWidth: knobs.bandWidth,
      latencyP95Seconds: knobs.latencyP95Seconds,
      happened: told(whatHappened(windows, executions, tickMs, knobs.bandWidth)),
      points: points.map(({ policy, latencyP95Seconds, measures }) => ({
        policy,
        latencyP95Seconds,
        measures: told(measures),
      })),
      warnings: [
        ...(unknown > 0
          ? [`${unknown} executions have no learned cost and are taken to cost what an unknown query does`]
          : []),
        ...(unreadable.length > 0 ? [`${unreadable.length} items cannot be read and are left out`] : []),
      ],
    };
  } finally {
    document.destroy();
  }
}

function run<Result>(work: Generator<number, Result, undefined>, progress: (share: number) => void): Result {
  for (;;) {
    const { done, value } = work.next();
    if (done) return value;
    progress(value);
  }
}

function told({ arrived: _, waitingEnd: __, burst: ___, ...measures }: Measures): WhatIf["happened"] {
  return measures;
}
