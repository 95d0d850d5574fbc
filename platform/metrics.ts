/** CloudWatch metrics as lines on standard output (embedded metric format): no call, no permission, no waiting. */
import { Metrics } from "@aws-lambda-powertools/metrics";
import { z } from "zod";
import type { AwsEnvironment } from "./aws.ts";
import { parseEnvironment } from "./config.ts";
import { type MetricName, metricNamespace, metricUnits } from "./environment.ts";
import type { LogFields } from "./log.ts";

const settings = z.object({
  /** `emf` prints metrics; without it there are none. */
  EVENKEEL_METRICS: z.literal("emf").optional(),
  EVENKEEL_STAGE: z.string().default("local"),
  /** Dimension `service`, where several of a kind are to be told apart. */
  EVENKEEL_SERVICE: z.string().optional(),
});

/** Prints one line with these values; `fields` stand beside them in the log and are no dimensions. */
export type PublishMetrics = (values: Partial<Readonly<Record<MetricName, number>>>, fields?: LogFields) => void;

/**
 * @param service dimension of that name, unless `EVENKEEL_SERVICE` has another
 * @param write takes one line without its end; standard output by default
 * @returns undefined when `EVENKEEL_METRICS` does not ask for metrics
 * @throws ConfigError
 * @example createMetrics("scheduler", process.env)?.({ HoldsLease: 1 }, { serverId })
 */
export function createMetrics(
  service: string,
  environment: AwsEnvironment,
  write: (line: string) => void = (line) => process.stdout.write(`${line}\n`),
): PublishMetrics | undefined {
  const { EVENKEEL_METRICS, EVENKEEL_STAGE, EVENKEEL_SERVICE } = parseEnvironment(settings, environment);
  if (EVENKEEL_METRICS === undefined) return undefined;
  return (values, fields) => {
    const metrics = new Metrics({
      namespace: metricNamespace,
      serviceName: EVENKEEL_SERVICE ?? service,
      defaultDimensions: { stage: EVENKEEL_STAGE },
    });
    const given: Readonly<Record<string, number | undefined>> = values;
    for (const [name, unit] of Object.entries(metricUnits)) {
      const value = given[name];
      if (value !== undefined) metrics.addMetric(name, unit, value);
    }
    // A line without a metric is still the log's.
    write(JSON.stringify({ ...fields, ...(metrics.hasStoredMetrics() ? metrics.serializeMetrics() : {}) }));
  };
}
