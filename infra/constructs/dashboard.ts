/** One screen that answers, from the top: is all recorded, is what is known fresh, is load level, at what delay. */
import { Dashboard, GraphWidget, type IMetric } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { MetricName } from "../../platform/environment.ts";
import { fleetService, type Settings, schedulerService, serversOf } from "../settings.ts";
import { ownMetric } from "./alarm.ts";
import type { FifoConsumer } from "./fifo-consumer.ts";

export function createDashboard(scope: Construct, id: string, recorder: FifoConsumer, settings: Settings): Dashboard {
  const { stage } = settings;
  const shared = settings.schedulers > 0;
  const ofSchedulers = (name: MetricName, statistic: "Minimum" | "Maximum") =>
    (shared ? [] : serversOf(settings)).map((server) => ownMetric(name, schedulerService(server), stage, statistic));
  const ofFleet = (...names: MetricName[]) =>
    names.map((name) => ownMetric(name, fleetService, stage, name === "ServersSteered" ? "Sum" : "Maximum"));
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
      [
        shared
          ? graph(
              "Servers: steered; without a lease, away, out of band, with stale costs (most of a process); time used",
              ofFleet("ServersSteered"),
              ofFleet("ServersWithoutLease", "ServersAway", "ServersOutOfBand", "ServersStaleCosts", "BusyShare"),
            )
          : graph("Whether a scheduler holds the lease", ofSchedulers("HoldsLease", "Maximum")),
      ],
    ],
  });
}
