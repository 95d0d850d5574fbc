/** A job's thread: does one task and ends. */
import { parentPort, workerData } from "node:worker_threads";
import { describeError } from "../../../platform/log.ts";
import { simulateConvergence } from "./convergence.ts";
import { type Say, type Task, TaskError, type Told, task } from "./tasks.ts";
import { whatWouldHappen } from "./what-if.ts";

const tell = (message: Told) => parentPort?.postMessage(message);
const everyMs = 200;
let toldAt = 0;
const say: Say = (doing, share) => {
  if (performance.now() - toldAt < everyMs) return;
  toldAt = performance.now();
  tell({ type: "progress", doing, share: Math.min(1, Math.max(0, share)) });
};

function work(given: Task) {
  switch (given.kind) {
    case "what-if":
      return whatWouldHappen(given, process.env, say);
    case "convergence":
      return simulateConvergence(given, say);
  }
}

try {
  tell({ type: "done", result: await work(task.parse(workerData)) });
} catch (error) {
  const problem = error instanceof TaskError ? error.message : `it could not be done: ${describeError(error)}`;
  tell({ type: "failed", problem: problem.slice(0, 300) });
}
