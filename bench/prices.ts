/** Prices of AWS in us-east-1, on demand, in USD, without free tiers (looked up 2026-11-21). */
export const prices = {
  /** A request is a batch of up to 10 messages and up to 64 KiB. */
  sqsFifoRequest: 0.5e-6,
  lambdaRequest: 0.2e-6,
  /** arm64. */
  lambdaGigabyteSecond: 0.000_013_333_4,
  /** 1 KB of an item, rounded up. */
  dynamoWriteUnit: 0.625e-6,
  /** 4 KB, rounded up; half of it when eventually consistent. */
  dynamoReadUnit: 0.125e-6,
  dynamoGigabyteMonth: 0.25,
  dynamoRecoveryGigabyteMonth: 0.2,
  s3Put: 5e-6,
  s3Get: 0.4e-6,
  customEvent: 1e-6,
  logGigabyte: 0.5,
  alarmMonth: 0.1,
  /** A metric of our own, by name and dimensions. */
  metricMonth: 0.3,
  dashboardMonth: 3,
  secretMonth: 0.4,
  /** Linux on arm64. */
  fargateCpuHour: 0.032_38,
  fargateGigabyteHour: 0.003_56,
  publicAddressHour: 0.005,
  imageGigabyteMonth: 0.1,
} as const;
