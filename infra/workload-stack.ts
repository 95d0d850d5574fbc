/** The cloud part of workload smoothing: the queue that records, the function that estimates, and their tables. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from "aws-cdk-lib";
import type { Table } from "aws-cdk-lib/aws-dynamodb";
import { EventBus } from "aws-cdk-lib/aws-events";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { estimateCosts, recordExecutions } from "../lambdas/workload/constants.ts";
import { estimateRequested, stackOutputs } from "../platform/environment.ts";
import { createAlarm, mailAlarms, ownMetric } from "./constructs/alarm.ts";
import { createDashboard } from "./constructs/dashboard.ts";
import { FifoConsumer } from "./constructs/fifo-consumer.ts";
import { ScheduledFunction } from "./constructs/scheduled-function.ts";
import { createTable } from "./constructs/tables.ts";
import type { Settings } from "./settings.ts";

export interface WorkloadStackProps extends StackProps {
  readonly settings: Settings;
  /** Of tables and queues. */
  readonly removalPolicy: RemovalPolicy;
}

export class WorkloadStack extends Stack {
  readonly tables: Readonly<Record<"executions" | "windows" | "costs" | "scheduler" | "servers", Table>>;
  readonly recorder: FifoConsumer;
  readonly bus: EventBus;
  /** What a container needs to know of this stack. */
  readonly variables: Readonly<Record<string, string>>;

  constructor(scope: Construct, id: string, props: WorkloadStackProps) {
    super(scope, id, props);
    const { settings, removalPolicy } = props;
    const emf = { EVENKEEL_METRICS: "emf", EVENKEEL_STAGE: settings.stage };
    const executions = createTable(this, "Executions", "key", "at", removalPolicy);
    const windows = createTable(this, "ResourceWindows", "key", "at", removalPolicy);
    const costs = createTable(this, "QueryCosts", "serverId", "queryId", removalPolicy);
    const scheduler = createTable(this, "SchedulerState", "serverId", "item", removalPolicy);
    const servers = createTable(this, "Servers", "serverId", "item", removalPolicy);
    this.tables = { executions, windows, costs, scheduler, servers };
    const state = this.createStateBucket();
    const states = `${estimateCosts.statePrefix}/*`;
    const bus = new EventBus(this, "Bus");

    const recorder = new FifoConsumer(this, "Record", {
      entry: "lambdas/workload/record-executions.lambda.ts",
      ...recordExecutions,
      removalPolicy,
      environment: (dlq) => ({
        ...emf,
        EVENKEEL_DLQ_URL: dlq.queueUrl,
        EVENKEEL_EXECUTIONS_TABLE: executions.tableName,
        EVENKEEL_WINDOWS_TABLE: windows.tableName,
        EVENKEEL_SERVERS_TABLE: servers.tableName,
      }),
    });
    executions.grant(recorder.consumer.function, "dynamodb:BatchWriteItem");
    windows.grant(recorder.consumer.function, "dynamodb:BatchWriteItem");
    servers.grant(recorder.consumer.function, "dynamodb:PutItem");

    const estimator = new ScheduledFunction(this, "Estimate", {
      entry: "lambdas/workload/estimate-costs.lambda.ts",
      ...estimateCosts,
      bus,
      onEvent: estimateRequested,
      runbook: "estimates-fail",
      environment: {
        ...emf,
        EVENKEEL_WINDOWS_TABLE: windows.tableName,
        EVENKEEL_COSTS_TABLE: costs.tableName,
        EVENKEEL_SERVERS_TABLE: servers.tableName,
        EVENKEEL_STATE_BUCKET: state.bucketName,
        EVENKEEL_BUS_NAME: bus.eventBusName,
      },
    });
    windows.grant(estimator.function, "dynamodb:Query");
    servers.grant(estimator.function, "dynamodb:Scan");
    costs.grant(
      estimator.function,
      "dynamodb:Query",
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:UpdateItem",
      "dynamodb:BatchWriteItem",
    );
    bus.grantPutEventsTo(estimator.function);
    estimator.function.addToRolePolicy(
      new PolicyStatement({
        actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        resources: [state.arnForObjects(states)],
      }),
    );
    Validations.of(estimator).acknowledge({
      id: `AwsSolutions-IAM5[Resource::<State1C20CC9A.Arn>/${states}]`,
      reason: "States are put under new keys in each run, all with this prefix.",
    });

    const outputs: Readonly<Record<string, string>> & Record<keyof typeof stackOutputs, string> = {
      QueueUrl: recorder.queue.queueUrl,
      DlqUrl: recorder.dlq.queueUrl,
      ExecutionsTable: executions.tableName,
      WindowsTable: windows.tableName,
      CostsTable: costs.tableName,
      SchedulerTable: scheduler.tableName,
      ServersTable: servers.tableName,
      StateBucket: state.bucketName,
      BusName: bus.eventBusName,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
    this.recorder = recorder;
    this.bus = bus;
    this.variables = Object.fromEntries(
      Object.entries(stackOutputs).map(([output, name]) => [name, outputs[output] ?? ""]),
    );

    createAlarm(this, "NothingRecorded", {
      metric: ownMetric("RecordingLagSeconds", "estimate-costs", settings.stage, "Maximum"),
      above: 300,
      periods: 2,
      says: "The newest window of a registered server came more than 5 minutes ago: its receipts do not arrive.",
      runbook: "nothing-recorded",
    });
    createAlarm(this, "EstimatesStale", {
      metric: estimator.function.metricInvocations({ period: Duration.minutes(5) }),
      below: 1,
      missingIsBad: true,
      says: "Nothing has asked for estimates for 5 minutes.",
      runbook: "estimates-stale",
    });
    if (settings.dashboard) createDashboard(this, "Dashboard", recorder, settings);
    if (settings.alarmEmail) mailAlarms(this, settings.alarmEmail);
  }

  private createStateBucket(): Bucket {
    const bucket = new Bucket(this, "State", {
      encryption: BucketEncryption.S3_MANAGED,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      lifecycleRules: [{ abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    Validations.of(bucket).acknowledge({
      id: "AwsSolutions-S1",
      reason: "It holds estimator states only, rebuilt from the tables when lost: a log of accesses would cost more.",
    });
    return bucket;
  }
}
