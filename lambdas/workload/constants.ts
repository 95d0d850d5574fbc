/** What the stack and the functions must agree on. */

const daySeconds = 86_400;

export const recordExecutions = {
  /** FIFO mappings allow 10 at most. */
  batchSize: 10,
  /** Ten messages of a thousand rows each, on a store that takes 800 a second. */
  timeoutSeconds: 20,
  memoryMegabytes: 512,
} as const;

export const estimateCosts = {
  timeoutSeconds: 60,
  memoryMegabytes: 512,
  /** EventBridge allows no shorter schedule. */
  everyMinutes: 1,
  /** First part of the keys of its states in the bucket. */
  statePrefix: "estimator",
} as const;

/** How long items stay in their tables. Receipts and tombstones outlive the rows that they speak of. */
export const timeToLiveSeconds = {
  executions: 14 * daySeconds,
  windows: 14 * daySeconds,
  receipts: 30 * daySeconds,
} as const;
