/** What a database has used since some moment, and who tells it. */

export interface Usage {
  /** Cumulative processor time in ms, with fractions; never falls between readings of one source. */
  readonly cpuMs: number;
  /** Cumulative KiB read from and written to storage. */
  readonly ioKiB: number;
  /** MiB that the server's processes hold of their own just now, without shared buffers and page cache. */
  readonly memoryMiB: number;
}

export interface UsageSource {
  /** One line for the log: what is measured, and by which means. */
  readonly description: string;
  /** Undefined when the server is gone: look for it anew. */
  read(): Usage | undefined;
}

/** One stretch of time, as `POST /usage` takes it. Times in Unix ms. */
export interface Sample {
  readonly from: number;
  readonly to: number;
  readonly cpuMs: number;
  readonly ioKiB: number;
  readonly memoryMiB: number;
}
