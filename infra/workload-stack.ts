/** The cloud part of workload smoothing: the queue that records, the function that estimates, and their tables. */
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps, Validations } from "aws-cdk-lib";
import { EventBus } from "aws-cdk-lib/aws-events";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { BlockPublicAccess, Bucket, BucketEncryption } from "aws-cdk-lib/aws-s3";
import type { Construct } from "constructs";
import { estimateCosts, recordExecutions } from "../lambdas/workload/constants.ts";
import { estimateRequested, type stackOutputs } from "../platform/environment.ts";
import { FifoConsumer } from "./constructs/fifo-consumer.ts";
import { ScheduledFunction } from "./constructs/scheduled-function.ts";
import { createTable } from "./constructs/tables.ts";

export class WorkloadStack extends Stack {
  constructor(scope: Construct, id: string, props?: StackProps) {
    super(scope, id, props);
    const executions = createTable(this, "Executions", "key", "at");
    const windows = createTable(this, "ResourceWindows", "key", "at");
    const costs = createTable(this, "QueryCosts", "serverId", "queryId");
    const scheduler = createTable(this, "SchedulerState", "serverId", "item");
    const servers = createTable(this, "Servers", "serverId", "item");
    const state = this.createStateBucket();
    const states = `${estimateCosts.statePrefix}/*`;
    const bus = new EventBus(this, "Bus");

    const recorder = new FifoConsumer(this, "Record", {
      entry: "lambdas/workload/record-executions.lambda.ts",
      ...recordExecutions,
      environment: (dlq) => ({
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

    const outputs: Record<keyof typeof stackOutputs, string> = {
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
