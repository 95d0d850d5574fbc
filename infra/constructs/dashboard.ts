/** One screen that answers, from the top: is all recorded, is what is known fresh, is load level, at what delay. */
import { Dashboard, GraphWidget, type IMetric } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { MetricName } from "../../platform/environment.ts";
import { type Settings, schedulerService, serversOf } from "../settings.ts";
import { ownMetric } from "./alarm.ts";
import type { FifoConsumer } from "./fifo-consumer.ts";

export function createDashboard(scope: Construct, id: string, recorder: FifoConsumer, settings: Settings): Dashboard {
  const { stage } = settings;
  const ofSchedulers = (name: MetricName, statistic: "Minimum" | "Maximum") =>
    serversOf(settings).map((server) => ownMetric(name, schedulerService(server), stage, statistic));
  const graph = (title: string, left: IMetric[], right: IMetric[] = []) =>
    new GraphWidget({ title, left, right, width: 12, height: 6 });
  return new Dashboard(scope, id, {
    dashboardName: `evenkeel-${stage}`,
    widgets: [
      [
        graph(
          "Recorded: invocations, and seconds from execution to row",
          [recorder.consumer.function.metricInvocations()],
          [ownMetric("SecondsToRow", "record-executions", stage, "Maximum")],
        ),
        graph(
          "Not recorded: dead letters, oldest message (s), errors",
          [
            recorder.dlq.metricApproximateNumberOfMessagesVisible(),
            recorder.queue.metricApproximateAgeOfOldestMessage(),
          ],
          [recorder.consumer.function.metricErrors()],
        ),
      ],
      [
        graph("Freshness (s): newest window, costs in use", [
          ownMetric("RecordingLagSeconds", "estimate-costs", stage, "Maximum"),
          ...ofSchedulers("CostsAgeSeconds", "Maximum"),
        ]),
        graph(
          "Level: share in band; delay p95 (s)",
          ofSchedulers("InBandShare", "Minimum"),
          ofSchedulers("DelayP95Seconds", "Maximum"),
        ),
      ],
      [graph("Whether a scheduler holds the lease", ofSchedulers("HoldsLease", "Maximum"))],
    ],
  });
}
