/** An estimator each of whose runs is a process of its own, as the function makes it, within the function's memory. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import type { Estimates } from "../../core/workload/estimator/estimator.ts";
import type { WindowObservation } from "../../core/workload/types.ts";
import { estimateCosts } from "../../lambdas/workload/constants.ts";
import { quantile } from "../smoothing/options.ts";

/** Memory at which a function has a whole core; below, its share is in proportion (AWS Lambda, Configure memory). */
const megabytesOfCore = 1_769;
/** A Node process of the function's leaves this much of its memory to what is not its heap. */
const besidesHeapMegabytes = 112;

/** Of the later half of the runs. */
export interface ProcessEffort {
  readonly runs: number;
  /** Processor time of a run, with unzipping, restoring, saving and zipping of the state. */
  readonly cpuMsP50: number;
  readonly cpuMsMax: number;
  /** What the longest takes with the function's share of a core; tables come on top. */
  readonly secondsInFunctionMax: number;
  /** Greatest resident memory of a run. */
  readonly rssMbMax: number;
  readonly memoryMegabytes: number;
}

export function createApart() {
  const directory = mkdtempSync(join(tmpdir(), "evenkeel-bench-"));
  const script = fileURLToPath(new URL("one-run.ts", import.meta.url));
  const { memoryMegabytes } = estimateCosts;
  const heap = `--max-old-space-size=${memoryMegabytes - besidesHeapMegabytes}`;
  const runs: { cpuMs: number; rssMb: number }[] = [];
  let since: WindowObservation[] = [];
  return {
    observe(windows: readonly WindowObservation[]): void {
      since.push(...windows);
    },
    estimate(): Estimates {
      writeFileSync(join(directory, "windows.json"), JSON.stringify(since));
      since = [];
      const options = { encoding: "utf8", maxBuffer: 2 ** 28 } as const;
      const { costs, prior, quality, cpuMs, rssMb } = JSON.parse(
        execFileSync(process.execPath, [heap, script, directory], options),
      );
      runs.push({ cpuMs, rssMb });
      return { costs: new Map(costs), prior, quality };
    },
    save: (): Uint8Array => gunzipSync(readFileSync(join(directory, "state.json.gz"))),
    effort(): ProcessEffort {
      const later = runs.slice(Math.floor(runs.length / 2));
      const times = later.map(({ cpuMs }) => cpuMs);
      const cpuMsMax = quantile(times, 1);
      return {
        runs: later.length,
        cpuMsP50: quantile(times, 0.5),
        cpuMsMax,
        secondsInFunctionMax: Math.round((cpuMsMax * megabytesOfCore) / memoryMegabytes / 100) / 10,
        rssMbMax: quantile(
          later.map((run) => run.rssMb),
          1,
        ),
        memoryMegabytes,
      };
    },
    [Symbol.dispose](): void {
      rmSync(directory, { recursive: true });
    },
  };
}
