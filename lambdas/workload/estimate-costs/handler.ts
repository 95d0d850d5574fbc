/** The function that learns what queries cost: every minute for all servers, and at once for one. See README.md. */
import { setTimeout as sleep } from "node:timers/promises";
import { Logger } from "@aws-lambda-powertools/logger";
import { injectLambdaContext } from "@aws-lambda-powertools/logger/middleware";
import middy from "@middy/core";
import { z } from "zod";
import { createLearner, restoreLearner } from "../../../core/workload/profile/learner.ts";
import { type AwsEnvironment, createDocument, createEventBridge, createS3 } from "../../../platform/aws.ts";
import { parseEnvironment } from "../../../platform/config.ts";
import { estimateRequested, workloadEnvironment } from "../../../platform/environment.ts";
import { createMetrics } from "../../../platform/metrics.ts";
import { listServers } from "../../../platform/tables/servers.ts";
import { identifier } from "../../../platform/wire.ts";
import { estimateServer } from "./estimate-server.ts";
import { requestEstimates } from "./request-estimates.ts";
import { createStateStore } from "./state-store.ts";

const settingsSchema = workloadEnvironment.pick({
  EVENKEEL_WINDOWS_TABLE: true,
  EVENKEEL_COSTS_TABLE: true,
  EVENKEEL_SERVERS_TABLE: true,
  EVENKEEL_STATE_BUCKET: true,
  EVENKEEL_BUS_NAME: true,
});

const estimateEvent = z.discriminatedUnion("detail-type", [
  z.object({ "detail-type": z.literal("Scheduled Event") }),
  z.object({
    "detail-type": z.literal(estimateRequested.detailType),
    detail: z.strictObject({ serverId: identifier }),
  }),
]);

/** Time kept back for writing results, before Lambda ends the function. */
const writingMs = 20_000;

/** @throws ConfigError that names every missing variable */
export function createHandler(env: AwsEnvironment) {
  const settings = parseEnvironment(settingsSchema, env);
  const logger = new Logger({ serviceName: "estimate-costs" });
  const document = createDocument(env);
  const eventBridge = createEventBridge(env);
  const publish = createMetrics("estimate-costs", { EVENKEEL_METRICS: "emf", ...env }) ?? (() => {});
  const services = {
    document,
    tables: { windows: settings.EVENKEEL_WINDOWS_TABLE, costs: settings.EVENKEEL_COSTS_TABLE },
    states: createStateStore(createS3(env), settings.EVENKEEL_STATE_BUCKET),
    createEstimator: () => createLearner(),
    restoreEstimator: restoreLearner,
    now: Date.now,
    sleep: (ms: number) => sleep(ms),
    random: Math.random,
    warn: (message: string, fields: Readonly<Record<string, unknown>>) => logger.warn(message, { ...fields }),
  };
  return middy<unknown, void>()
    .use(injectLambdaContext(logger))
    .handler(async (event, context) => {
      const request = estimateEvent.parse(event);
      switch (request["detail-type"]) {
        case "Scheduled Event": {
          const servers = await listServers(document, settings.EVENKEEL_SERVERS_TABLE);
          const serverIds = servers.map(({ serverId }) => serverId);
          await requestEstimates(eventBridge, settings.EVENKEEL_BUS_NAME, serverIds);
          logger.info("estimates requested", { servers: serverIds.length });
          return;
        }
        case estimateRequested.detailType: {
          const { serverId } = request.detail;
          const readingMs = Math.max(0, context.getRemainingTimeInMillis() - writingMs);
          const result = await estimateServer(services, serverId, AbortSignal.timeout(readingMs));
          const lag = result.readThrough > 0 ? { RecordingLagSeconds: (Date.now() - result.readThrough) / 1_000 } : {};
          publish(lag, { message: "estimated", function_request_id: context.awsRequestId, serverId, ...result });
          return;
        }
      }
    });
}
