/** The API as an OpenAPI document, made from the schemas that parse its parameters and type its answers. */
import { z } from "zod";
import { createDocument, type ZodOpenApiOperationObject } from "zod-openapi";
import { schedulerKnobs } from "../../platform/scheduler-status.ts";
import { exportParameters } from "./api/history.ts";
import { liveParameters, windowsAnswer, windowsParameters } from "./api/live.ts";
import { rangeFields } from "./api/parameters.ts";
import { queriesParameters } from "./api/queries.ts";
import { convergenceParameters, whatIfParameters } from "./api/what-if.ts";
import { executionParameters, windowParameters } from "./api/why.ts";
import { exportedWindow, historyAnswer } from "./contract/history.ts";
import { convergenceJob, whatIfJob } from "./contract/jobs.ts";
import { knobsChange, liveEvent, liveState } from "./contract/live.ts";
import { queriesAnswer, queryAnswer } from "./contract/queries.ts";
import { executionStory, windowStory } from "./contract/why.ts";

const refusal = z.object({ error: z.string() }).meta({ id: "Refusal", description: "What is wrong, in one line" });
const content = (type: string, schema: z.ZodType) => ({ [type]: { schema } });
const idPath = z.object({ id: z.string().meta({ description: "Percent-encoded" }) });

interface Operation {
  readonly summary: string;
  readonly query?: z.ZodObject;
  readonly path?: z.ZodObject;
  readonly body?: z.ZodType;
  readonly answer: z.ZodType;
  readonly type?: string;
  /** What it answers as JSON where it can be asked for either. */
  readonly json?: z.ZodType;
}

function operation({
  summary,
  query,
  path,
  body,
  answer,
  type = "application/json",
  json,
}: Operation): ZodOpenApiOperationObject {
  return {
    summary,
    ...(query || path ? { requestParams: { ...(query && { query }), ...(path && { path }) } } : {}),
    ...(body ? { requestBody: { required: true, content: content("application/json", body) } } : {}),
    responses: {
      "200": {
        description: "As asked",
        content: { ...content(type, answer), ...(json && content("application/json", json)) },
      },
      default: { description: "Refused, or a part is away", content: content("application/json", refusal) },
    },
  };
}

const get = (given: Operation) => ({ get: operation(given) });
const range = rangeFields.meta({ description: "Unix ms" });

/** Path → operations. */
const paths = {
  "/api/state": get({ summary: "How the loop does now", answer: liveState }),
  "/api/windows": get({ summary: "The last minutes' windows", query: windowsParameters, answer: windowsAnswer }),
  "/api/live": get({
    summary: "Server-sent events, one a second: the state, and the windows since the event before",
    query: liveParameters,
    answer: liveEvent,
    type: "text/event-stream",
  }),
  "/api/knobs": {
    put: operation({
      summary: "Turn the scheduler off and on, set budget and band",
      body: knobsChange,
      answer: schedulerKnobs,
    }),
  },
  "/api/queries": get({ summary: "The queries: cost, traffic, load", query: queriesParameters, answer: queriesAnswer }),
  "/api/queries/{id}": get({
    summary: "One query, with its recorded executions",
    path: idPath,
    query: range,
    answer: queryAnswer,
  }),
  "/api/why/execution/{id}": get({
    summary: "What became of an execution, and why",
    path: idPath,
    query: executionParameters,
    answer: executionStory,
  }),
  "/api/why/window": get({
    summary: "What ran in a window, tick by tick",
    query: windowParameters,
    answer: windowStory,
  }),
  "/api/history": get({ summary: "Recorded windows, summed up; at most a day", query: range, answer: historyAnswer }),
  "/api/history/windows": get({
    summary: "Each recorded window, as CSV or JSON; at most a day",
    query: rangeFields.extend(exportParameters.shape),
    answer: z.string(),
    type: "text/csv",
    json: z.array(exportedWindow),
  }),
  "/api/what-if": get({
    summary: "What recorded traffic would have become under other budgets: ask until it is done",
    query: whatIfParameters,
    answer: whatIfJob,
  }),
  "/api/convergence/{id}": get({
    summary: "How a query's estimate comes to the truth, in a simulation: ask until it is done",
    path: idPath,
    query: convergenceParameters,
    answer: convergenceJob,
  }),
  "/metrics": get({ summary: "Figures for Prometheus", answer: z.string(), type: "text/plain" }),
};

export function openApiDocument() {
  return createDocument({
    openapi: "3.1.0",
    info: {
      title: "Evenkeel's console",
      version: "1",
      description: "Times are Unix ms unless a name says otherwise. Errors are {error} in one line.",
    },
    components: { securitySchemes: { token: { type: "http", scheme: "bearer" } } },
    security: [{}, { token: [] }],
    paths,
  });
}
