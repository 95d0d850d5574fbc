/**
 * One run of the estimator as the function makes it, with the function's modules loaded: a saved state (argument 1) is
 * restored, learned from and saved again. Prints `cpuMs` (processor time) and `rssMb`, the process's greatest resident memory.
 */
import { readFileSync } from "node:fs";
import { restoreEstimator } from "../../core/workload/estimator/estimator.ts";
import "../../lambdas/workload/estimate-costs/handler.ts";

const [, , file = ""] = process.argv;
const bytes = readFileSync(file);
const started = process.cpuUsage();
const estimator = restoreEstimator(bytes);
estimator.estimate();
estimator.save();
const { user, system } = process.cpuUsage(started);
console.log(
  JSON.stringify({
    cpuMs: Math.round((user + system) / 1000),
    rssMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
