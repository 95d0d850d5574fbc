/**
 * One run of the estimator as the function makes it, with the function's modules loaded: the last state (argument 1) is
 * restored, takes in the windows that came since (argument 2, JSON), and is learned from and saved again. Prints `cpuMs`
 * (processor time), `rssMb`, the process's greatest resident memory, and `work`, executions read.
 */
import { readFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { restoreEstimator } from "../../core/workload/estimator/estimator.ts";
import "../../lambdas/workload/estimate-costs/handler.ts";

const [, , state = "", windows = ""] = process.argv;
const bytes = readFileSync(state);
const news = JSON.parse(readFileSync(windows, "utf8"));
const started = process.cpuUsage();
const estimator = restoreEstimator(gunzipSync(bytes));
estimator.observe(news);
const { quality } = estimator.estimate();
gzipSync(estimator.save());
const { user, system } = process.cpuUsage(started);
console.log(
  JSON.stringify({
    cpuMs: Math.round((user + system) / 1000),
    rssMb: Math.round(process.resourceUsage().maxRSS / 1024),
    work: Math.round(quality.work ?? 0),
  }),
);
