/** The function behind the queue: rows of the outboxes go to their tables. See README.md. */
import { setTimeout as sleep } from "node:timers/promises";
import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import middy from "@middy/core";
import type { SQSBatchResponse } from "aws-lambda";
import { z } from "zod";
import { type AwsEnvironment, createDocument, createSqs } from "../../../platform/aws.ts";
import { parseEnvironment } from "../../../platform/config.ts";
import { workloadEnvironment } from "../../../platform/environment.ts";
import { createMetrics } from "../../../platform/metrics.ts";
import { createDeadLetters } from "./dead-letters.ts";
import { createRecorder } from "./recorder.ts";

const settingsSchema = workloadEnvironment.pick({
  EVENKEEL_DLQ_URL: true,
  EVENKEEL_EXECUTIONS_TABLE: true,
  EVENKEEL_WINDOWS_TABLE: true,
  EVENKEEL_SERVERS_TABLE: true,
});

const sqsEvent = z.object({
  Records: z.array(
    z.object({
      messageId: z.string(),
      body: z.string(),
      attributes: z.object({ MessageGroupId: z.string().default("") }),
    }),
  ),
});

/** Time kept back to answer which messages failed, before Lambda ends the function. */
const answerMs = 1_500;

/** @throws ConfigError that names every missing variable */
export function createHandler(env: AwsEnvironment) {
  const settings = parseEnvironment(settingsSchema, env);
  const logger = new Logger({ serviceName: "record-executions" });
  const publish = createMetrics("record-executions", { EVENKEEL_METRICS: "emf", ...env }) ?? (() => {});
  const recorder = createRecorder({
    document: createDocument(env),
    tables: {
      executions: settings.EVENKEEL_EXECUTIONS_TABLE,
      windows: settings.EVENKEEL_WINDOWS_TABLE,
      servers: settings.EVENKEEL_SERVERS_TABLE,
    },
    deadLetters: createDeadLetters(createSqs(env), settings.EVENKEEL_DLQ_URL),
    now: Date.now,
    sleep: (ms) => sleep(ms),
    random: Math.random,
    warn: (message, fields) => logger.warn(message, { ...fields }),
  });
  return middy<unknown, SQSBatchResponse>()
    .use(injectLambdaContext(logger))
    .handler(async (event, context) => {
      const messages = sqsEvent.parse(event).Records.map(({ messageId, body, attributes }) => ({
        messageId,
        body,
        group: attributes.MessageGroupId,
      }));
      const signal = AbortSignal.timeout(Math.max(0, context.getRemainingTimeInMillis() - answerMs));
      const { failed, rows, oldestAt, ...rest } = await recorder.record(messages, signal);
      // One line, for each is paid; it is the log's, too.
      publish(oldestAt === undefined ? {} : { SecondsToRow: (Date.now() - oldestAt) / 1_000 }, {
        message: "recorded",
        function_request_id: context.awsRequestId,
        messages: messages.length,
        failed: failed.length,
        rows,
        ...rest,
      });
      return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
    });
}
