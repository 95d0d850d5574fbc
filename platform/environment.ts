/** Names of the environment variables that processes share, and of the stack outputs that fill them. Defined here only. */
import { z } from "zod";

/** CloudFormation output of the workload stack → environment variable. */
export const stackOutputs = {
  QueueUrl: "EVENKEEL_QUEUE_URL",
  DlqUrl: "EVENKEEL_DLQ_URL",
  ExecutionsTable: "EVENKEEL_EXECUTIONS_TABLE",
  WindowsTable: "EVENKEEL_WINDOWS_TABLE",
  CostsTable: "EVENKEEL_COSTS_TABLE",
  SchedulerTable: "EVENKEEL_SCHEDULER_TABLE",
  ServersTable: "EVENKEEL_SERVERS_TABLE",
  StateBucket: "EVENKEEL_STATE_BUCKET",
  BusName: "EVENKEEL_BUS_NAME",
} as const;

const name = z.string().min(1);

/** What a process may need of the workload stack: `.pick` the variables that it uses and parse with `parseEnvironment`. */
export const workloadEnvironment = z.object({
  EVENKEEL_QUEUE_URL: z.url(),
  EVENKEEL_DLQ_URL: z.url(),
  EVENKEEL_EXECUTIONS_TABLE: name,
  EVENKEEL_WINDOWS_TABLE: name,
  EVENKEEL_COSTS_TABLE: name,
  EVENKEEL_SCHEDULER_TABLE: name,
  EVENKEEL_SERVERS_TABLE: name,
  EVENKEEL_STATE_BUCKET: name,
  EVENKEEL_BUS_NAME: name,
});
export type WorkloadEnvironment = z.infer<typeof workloadEnvironment>;

/** Environment variables from a deployed stack's outputs. Throws an Error that names every missing output. */
export function environmentOfOutputs(outputs: Readonly<Record<string, string | undefined>>): WorkloadEnvironment {
  const missing = Object.keys(stackOutputs).filter((output) => !outputs[output]);
  if (missing.length > 0) throw new Error(`the stack has no output ${missing.join(", ")}: deploy it again`);
  return workloadEnvironment.parse(
    Object.fromEntries(Object.entries(stackOutputs).map(([output, variable]) => [variable, outputs[output]])),
  );
}

/** The event that asks for an estimate at once. */
export const estimateRequested = {
  source: "evenkeel",
  detailType: "EstimateRequested",
} as const;

/**
 * CloudWatch metrics by name, with their unit; their dimensions are `service` and `stage`. Those of the functions have no
 * server, so that their number, which is paid for, does not grow: which one it was stands in the log line that has it.
 */
export const metricUnits = {
  /** From an execution to its row in the table: the oldest of an invocation. */
  SecondsToRow: "Seconds",
  /** Age of the newest window in the table, of a server that is registered. */
  RecordingLagSeconds: "Seconds",
  /** 1 while a scheduler holds its lease and follows its server, else 0. */
  HoldsLease: "Count",
  /** Share of the last ten minutes' windows in band. */
  InBandShare: "None",
  DelayP95Seconds: "Seconds",
  /** Age of the costs that a scheduler goes by. */
  CostsAgeSeconds: "Seconds",
  /** Of a process that steers many servers, by count: which servers they are stands in the same line of the log. */
  ServersSteered: "Count",
  /** Of the whole deployment, as this process sees it. */
  ServersWithoutLease: "Count",
  /** Those of this process that do not answer, or whose lease another holds. */
  ServersAway: "Count",
  ServersStaleCosts: "Count",
  ServersOutOfBand: "Count",
  /** Share of the last minute in which the process's thread worked. */
  BusyShare: "None",
} as const;
export type MetricName = keyof typeof metricUnits;
export const metricNamespace = "Evenkeel";

/** What an operator changes without a deployment: Parameter Store, below a path per server. See docs/adr/0741. */
export const parameterNames = {
  serverUrl: "server-url",
  latencyP95Seconds: "latency-p95-seconds",
  bandWidth: "band-width",
} as const;
