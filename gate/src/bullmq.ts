/** A BullMQ processor behind a gate. */
import type { Gate, Work } from "./gate.ts";

/** What is used of a BullMQ job. */
export interface JobLike {
  readonly name: string;
  readonly queueName: string;
}

export interface ProcessorWork extends Pick<Work, "deferBy" | "deadline"> {
  /** What its executions are called; `queue:name` of the job otherwise. */
  readonly id?: string | undefined;
  /** The worker's `lockDuration` in ms, if it is not BullMQ's 30,000. */
  readonly lockDuration?: number | undefined;
  /** False where the worker was made with `skipLockRenewal`: then a job is held for half of its lock's duration at the longest. */
  readonly lockRenewed?: boolean | undefined;
}

/**
 * The processor, with each job held before its work starts. A worker renews the lock of a job that is held like that of one
 * that runs; a held job takes one of the worker's places (`concurrency`).
 * @example new Worker("mail", gateProcessor(processor, gate, { deferBy: 30_000 }), { connection })
 */
export function gateProcessor<Job extends JobLike, More extends unknown[], Result>(
  processor: (job: Job, ...more: More) => Result | PromiseLike<Result>,
  gate: Gate,
  work: ProcessorWork,
): (job: Job, ...more: More) => Promise<Result> {
  const { id, deadline, lockDuration = 30_000, lockRenewed = true } = work;
  const mayWait = work.deferBy ?? (deadline === undefined ? 0 : Number.POSITIVE_INFINITY);
  // A number that is none is told by the gate.
  const deferBy = lockRenewed || Number.isNaN(mayWait) ? mayWait : Math.min(mayWait, lockDuration / 2);
  return (job, ...more) => {
    // A worker that gives up a job aborts its signal; this is one of the arguments after the token.
    const signal = more.find((one) => one instanceof AbortSignal);
    const about = { id: id ?? `${job.queueName}:${job.name}`, deferBy, deadline, signal };
    return gate.run(about, () => processor(job, ...more));
  };
}
