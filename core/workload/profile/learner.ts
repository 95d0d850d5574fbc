/** The estimator that fits what a server's windows carry: costs within a tick, or profiles of executions that last. */
import { createEstimator, type Estimator, restoreEstimator } from "../estimator/estimator.ts";
import { createProfiler, restoreProfiler } from "./profiler.ts";
import { profileFormat } from "./state.ts";

/** Which of the two it is shows with the first windows; a server that begins to tell durations is learned anew. */
export function createLearner(): Estimator {
  return learner(createEstimator(), false);
}

/** @throws EstimatorStateError when the bytes are of another version or damaged */
export function restoreLearner(bytes: Uint8Array): Estimator {
  const head = new TextDecoder().decode(bytes.subarray(0, 100));
  return head.includes(`"${profileFormat}"`)
    ? learner(restoreProfiler(bytes), true)
    : learner(restoreEstimator(bytes), false);
}

function learner(first: Estimator, lasting: boolean): Estimator {
  let estimator = first;
  let profiles = lasting;
  return {
    observe(windows) {
      if (!profiles && windows.some(({ active }) => active !== undefined)) {
        estimator = createProfiler();
        profiles = true;
      }
      return estimator.observe(windows);
    },
    estimate: () => estimator.estimate(),
    save: () => estimator.save(),
  };
}
