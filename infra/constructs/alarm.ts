/** An alarm whose description says what is wrong and where the runbook goes on. */
import { Duration, type Stack } from "aws-cdk-lib";
import { Alarm, ComparisonOperator, type IMetric, Metric, TreatMissingData } from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import { Topic } from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import type { Construct } from "constructs";
import { type MetricName, metricNamespace } from "../../platform/environment.ts";

export interface AlarmProps {
  readonly metric: IMetric;
  /** The alarm goes off beyond it. */
  readonly above?: number;
  readonly below?: number;
  /** Periods of the metric in a row. */
  readonly periods?: number;
  /** Whether no data is as bad as bad data. */
  readonly missingIsBad?: boolean;
  readonly says: string;
  /** Section of docs/runbook.md. */
  readonly runbook: string;
}

export function createAlarm(scope: Construct, id: string, props: AlarmProps): Alarm {
  const threshold = props.above ?? props.below ?? 0;
  return new Alarm(scope, id, {
    metric: props.metric,
    threshold,
    evaluationPeriods: props.periods ?? 1,
    comparisonOperator:
      props.below === undefined ? ComparisonOperator.GREATER_THAN_THRESHOLD : ComparisonOperator.LESS_THAN_THRESHOLD,
    treatMissingData: props.missingIsBad ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
    alarmDescription: `${props.says} See docs/runbook.md#${props.runbook}`,
  });
}

/** A metric that `platform/metrics.ts` prints. */
export function ownMetric(
  name: MetricName,
  service: string,
  stage: string,
  statistic: "Maximum" | "Minimum" | "Average" | "Sum" | "p95",
  minutes = 1,
): Metric {
  return new Metric({
    namespace: metricNamespace,
    metricName: name,
    dimensionsMap: { service, stage },
    statistic,
    period: Duration.minutes(minutes),
  });
}

/** Mails every alarm of the stack when it goes off, and when all is well again. */
export function mailAlarms(stack: Stack, email: string): void {
  const topic = new Topic(stack, "Alarms", { enforceSSL: true });
  topic.addSubscription(new EmailSubscription(email));
  const action = new SnsAction(topic);
  for (const child of stack.node.findAll()) {
    if (!(child instanceof Alarm)) continue;
    child.addAlarmAction(action);
    child.addOkAction(action);
  }
}
