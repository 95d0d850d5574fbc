/** A function that runs every so often and on an event of our own bus, with an alarm on its errors. */
import { Duration } from "aws-cdk-lib";
import { type EventBus, Rule, Schedule } from "aws-cdk-lib/aws-events";
import { LambdaFunction } from "aws-cdk-lib/aws-events-targets";
import type { Construct } from "constructs";
import { createAlarm } from "./alarm.ts";
import { ServiceFunction, type ServiceFunctionProps } from "./function.ts";

export interface ScheduledFunctionProps extends ServiceFunctionProps {
  readonly everyMinutes: number;
  readonly bus: EventBus;
  /** The event that runs it out of turn. */
  readonly onEvent: { readonly source: string; readonly detailType: string };
  readonly runbook: string;
}

export class ScheduledFunction extends ServiceFunction {
  constructor(scope: Construct, id: string, props: ScheduledFunctionProps) {
    super(scope, id, props);
    // The next run makes up for one that failed, so an old event is worth nothing.
    const target = new LambdaFunction(this.function, { retryAttempts: 1, maxEventAge: Duration.minutes(5) });
    // A rule, not EventBridge Scheduler: LocalStack stores schedules but never fires them.
    new Rule(this, "Schedule", { schedule: Schedule.rate(Duration.minutes(props.everyMinutes)), targets: [target] });
    new Rule(this, "OnRequest", {
      eventBus: props.bus,
      eventPattern: { source: [props.onEvent.source], detailType: [props.onEvent.detailType] },
      targets: [target],
    });
    createAlarm(this, "Errors", {
      metric: this.function.metricErrors({ period: Duration.minutes(5) }),
      above: 2,
      says: "It failed more than twice in 5 minutes.",
      runbook: props.runbook,
    });
  }
}
