/**
 * One run of the estimator as the function makes it, with the function's modules loaded: a saved state (argument 1) is
 * restored, learned from and saved again. Prints `ms` and `rssMb`, the process's greatest resident memory.
 */
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { restoreEstimator } from "../../core/workload/estimator/estimator.ts";
import "../../lambdas/workload/estimate-costs/handler.ts";

const [, , file = ""] = process.argv;
const bytes = readFileSync(file);
const started = performance.now();
const estimator = restoreEstimator(bytes);
estimator.estimate();
estimator.save();
const ms = Math.round(performance.now() - started);
console.log(JSON.stringify({ ms, rssMb: Math.round(process.resourceUsage().maxRSS / 1024) }));
