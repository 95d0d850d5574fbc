/**
 * One run of the estimator as the function makes it, with the function's modules loaded, in the directory that is the
 * argument: the state of the run before (`state.json.gz`, if there is one) is restored, takes in the windows that came
 * since (`windows.json`), and is learned from and saved again. Prints the estimates and what they took, as JSON.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { createEstimator, restoreEstimator } from "../../core/workload/estimator/estimator.ts";
import "../../lambdas/workload/estimate-costs/handler.ts";

const [, , directory = ""] = process.argv;
const stateFile = join(directory, "state.json.gz");
const bytes = existsSync(stateFile) ? readFileSync(stateFile) : undefined;
const news = JSON.parse(readFileSync(join(directory, "windows.json"), "utf8"));
const started = process.cpuUsage();
const estimator = bytes ? restoreEstimator(gunzipSync(bytes)) : createEstimator();
estimator.observe(news);
const { costs, prior, quality } = estimator.estimate();
const state = gzipSync(estimator.save());
const { user, system } = process.cpuUsage(started);
const rssMb = Math.round(process.resourceUsage().maxRSS / 1024);
writeFileSync(stateFile, state);
console.log(JSON.stringify({ costs: [...costs], prior, quality, cpuMs: Math.round((user + system) / 1000), rssMb }));
