/** A FIFO queue, the function that consumes it, the dead-letter queue for what it cannot, and alarms on both. */
import { Duration, type RemovalPolicy, Validations } from "aws-cdk-lib";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import { DeduplicationScope, FifoThroughputLimit, Queue, QueueEncryption } from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { createAlarm } from "./alarm.ts";
import { ServiceFunction, type ServiceFunctionProps } from "./function.ts";

export interface FifoConsumerProps extends Omit<ServiceFunctionProps, "environment"> {
  /** At most 10: what a FIFO mapping allows. */
  readonly batchSize: number;
  readonly removalPolicy: RemovalPolicy;
  /** The function's variables, given the dead-letter queue that it sends to itself. */
  readonly environment: (dlq: Queue) => Readonly<Record<string, string>>;
}

export class FifoConsumer extends Construct {
  readonly queue: Queue;
  readonly dlq: Queue;
  readonly consumer: ServiceFunction;

  constructor(scope: Construct, id: string, props: FifoConsumerProps) {
    super(scope, id);
    const common = {
      fifo: true,
      deduplicationScope: DeduplicationScope.MESSAGE_GROUP,
      fifoThroughputLimit: FifoThroughputLimit.PER_MESSAGE_GROUP_ID,
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
      removalPolicy: props.removalPolicy,
    };
    this.dlq = new Queue(this, "Dlq", common);
    Validations.of(this.dlq).acknowledge({
      id: "AwsSolutions-SQS3",
      reason: "This is the dead-letter queue; the consumer also sends to it itself.",
    });
    this.queue = new Queue(this, "Queue", {
      ...common,
      // Lambda's advice: six times the function's time-out, so that a message is not seen again while it is worked on.
      visibilityTimeout: Duration.seconds(6 * props.timeoutSeconds),
      deadLetterQueue: { queue: this.dlq, maxReceiveCount: 5 },
    });
    this.consumer = new ServiceFunction(this, "Consumer", { ...props, environment: props.environment(this.dlq) });
    this.dlq.grantSendMessages(this.consumer.function);
    this.consumer.function.addEventSource(
      new SqsEventSource(this.queue, { batchSize: props.batchSize, reportBatchItemFailures: true }),
    );

    createAlarm(this, "DeadLetters", {
      metric: this.dlq.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(1) }),
      above: 0,
      says: "Messages or rows could not be recorded.",
      runbook: "dead-letters",
    });
    createAlarm(this, "Stuck", {
      metric: this.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(1) }),
      above: 300,
      says: "Messages wait longer than 5 minutes.",
      runbook: "queue-stuck",
    });
    createAlarm(this, "Errors", {
      metric: this.consumer.function.metricErrors({ period: Duration.minutes(5) }),
      above: 2,
      says: "The recorder failed more than twice in 5 minutes.",
      runbook: "recorder-fails",
    });
  }
}
