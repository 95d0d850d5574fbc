/** A BullMQ processor behind a gate. */
import type { Gate, Work } from "./gate.ts";

/** What is used of a BullMQ job. */
export interface JobLike {
  readonly name: string;
  readonly queueName: string;
  readonly id?: string | undefined;
  /** 0 when the lock is not this token's any more. */
  extendLock?(token: string, durationMs: number): Promise<number>;
}

export interface ProcessorWork extends Pick<Work, "deferBy" | "deadline"> {
  /** What its executions are called; `queue:name` of the job otherwise. */
  readonly id?: string | undefined;
  /** The worker's `lockDuration` in ms, if it is not BullMQ's 30,000. */
  readonly lockDuration?: number | undefined;
  /** False where the worker was made with `skipLockRenewal`: then a job is held for half of its lock's duration at the longest. */
  readonly lockRenewed?: boolean | undefined;
}

/** A hold that is shorter needs no look at the lock: it has hardly aged. */
const briefMs = 20;

/**
 * The processor, with each job held before its work starts. A worker renews the lock of a job that is held like that of one
 * that runs; a held job takes one of the worker's places (`concurrency`). A job that lost its lock while it was held is
 * another worker's: it does not run here, and the worker emits an error as for any job that lost its lock.
 * @example new Worker("mail", gateProcessor(processor, gate, { deferBy: 30_000 }), { connection })
 */
export function gateProcessor<Job extends JobLike, Result>(
  processor: (job: Job, token?: string, signal?: AbortSignal) => Result | PromiseLike<Result>,
  gate: Gate,
  work: ProcessorWork,
): (job: Job, token?: string, signal?: AbortSignal) => Promise<Result> {
  const { id, deadline, lockDuration = 30_000, lockRenewed = true } = work;
  const mayWait = work.deferBy ?? (deadline === undefined ? 0 : Number.POSITIVE_INFINITY);
  // A number that is none is told by the gate.
  const deferBy = lockRenewed || Number.isNaN(mayWait) ? mayWait : Math.min(mayWait, lockDuration / 2);
  // Three parameters by name: a worker makes a signal only for a processor that has them.
  return async (job, token, signal) => {
    const asked = performance.now();
    const about = { id: id ?? `${job.queueName}:${job.name}`, deferBy, deadline, signal };
    const run = async () => {
      if (performance.now() - asked > briefMs && token !== undefined && job.extendLock) {
        const ours = await job.extendLock(token, lockDuration);
        if (ours === 0) throw new Error(`job ${job.id} lost its lock while it was held: another worker runs it`);
      }
      return processor(job, token, signal);
    };
    try {
      return await gate.run(about, run);
    } catch (error) {
      // A job is cancelled with a text; it fails with errors only.
      if (typeof error === "string" && error === signal?.reason)
        throw new Error(`given up while it was held: ${error}`);
      throw error;
    }
  };
}
