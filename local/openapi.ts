/** `npm run openapi`: writes docs/openapi/database.json, a database server's API as OpenAPI 3.1, from the schemas that it is parsed with. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { createDocument } from "zod-openapi";
import {
  delayRequest,
  placeRequest,
  placeResponse,
  queuedExecutions,
  resources,
  serverInfo,
  streamEvent,
} from "../platform/wire.ts";
import { root } from "./paths.ts";

export const openApiFile = join(root, "docs", "openapi", "database.json");

const json = (schema: z.ZodType) => ({ "application/json": { schema } });
const error = z.object({ error: z.string() }).meta({ id: "Error", description: "What is wrong, in one line." });
const refusal = (description: string) => ({ description, content: json(error) });

const common = {
  "401": refusal("A token is needed: on our servers for /place, and for everything once bound beyond loopback."),
  "403": refusal("The Host is not served here, or the Origin is foreign (our servers)."),
  "405": refusal("Another method; Allow names the right one."),
};
const plain = ["the three calls"];
const optional = ["optional"];

const contents = {
  openapi: "3.1.0",
  info: {
    title: "A database server, as Evenkeel speaks to it",
    version: "1",
    description:
      "The three calls are what every server must offer. The optional ones are what our servers and the tap add: with " +
      "them every execution is numbered, recorded without loss, and placed to the tick. A server may send more fields " +
      "than stand here. `evenkeel conform URL` tells how a server compares.",
    license: { name: "Apache-2.0", identifier: "Apache-2.0" },
  },
  servers: [{ url: "http://127.0.0.1:9000" }],
  tags: [{ name: "the three calls" }, { name: "optional" }],
  paths: {
    "/queued": {
      get: {
        operationId: "queued",
        tags: plain,
        summary: "What waits, not yet executed",
        description:
          "`timestamp`: the scheduled time of execution, Unix ms. Optional: `tick`, in which it is due, and " +
          "`arrivedTick`, in which it came.",
        responses: {
          "200": { description: "At least one execution waits.", content: json(queuedExecutions) },
          "204": { description: "Nothing waits. Without a body." },
          ...common,
        },
      },
    },
    "/resources": {
      get: {
        operationId: "resources",
        tags: plain,
        summary: "The last closed metrics window",
        description:
          "Integers, percent over the ticks of the window (1 s), refreshed when it closes; the average floored; not " +
          "capped at 100. `timestamp`: the window's end, Unix ms.",
        responses: { "200": { description: "The window.", content: json(resources) }, ...common },
      },
    },
    "/delay": {
      post: {
        operationId: "delay",
        tags: plain,
        summary: "Adds ticks to what remains of an execution's delay",
        requestBody: { required: true, content: json(delayRequest) },
        responses: {
          "200": { description: "Added. Without a body." },
          "400": refusal(
            "Malformed, an id is missing, or the delay is negative, fractional or beyond the server's bound.",
          ),
          "404": refusal("Unknown, or already executed. (One existing server answers 500: Evenkeel takes both.)"),
          "413": refusal("The body is too large."),
          ...common,
        },
      },
    },
    "/server": {
      get: {
        operationId: "server",
        tags: optional,
        summary: "Who this is, its clockwork, and what its outbox holds",
        responses: { "200": { description: "The server.", content: json(serverInfo) }, ...common },
      },
    },
    "/place": {
      post: {
        operationId: "place",
        tags: optional,
        summary: "Sets the tick in which executions run",
        description:
          "Absolute and idempotent, never before the default delay. `fence`: the token of the scheduler's lease; one " +
          "lower than the highest seen is refused.",
        requestBody: { required: true, content: json(placeRequest) },
        responses: {
          "200": { description: "What became of each placement.", content: json(placeResponse) },
          "400": refusal("Malformed."),
          "409": refusal("A scheduler with a higher fence is at work."),
          "413": refusal("The body is too large."),
          ...common,
        },
        security: [{ token: [] }],
      },
    },
    "/stream": {
      get: {
        operationId: "stream",
        tags: optional,
        summary: "What happens, tick by tick, as server-sent events",
        parameters: [
          {
            ...{ name: "fence", in: "query", required: false, schema: { type: "integer", minimum: 0 } },
            description: "Of its lease, when a scheduler follows. A server may hold work only while one does.",
          },
        ],
        description:
          "The first event of a connection is a `hello` with the whole queue, then a `tick` as soon as the tick is on " +
          "disk. The schema is that of one event's `data`. A reader who falls behind is cut off.",
        responses: {
          "200": { description: "The stream.", content: { "text/event-stream": { schema: streamEvent } } },
          "503": refusal("Too many streams are open."),
          ...common,
        },
      },
    },
  },
  components: {
    securitySchemes: { token: { type: "http", scheme: "bearer", description: "The server's EVENKEEL_TOKEN." } },
  },
} satisfies Parameters<typeof createDocument>[0];

/** The document as an object. */
/** The document as an object. */
export function databaseDocument() {
  return createDocument(contents, {
    // A server may send more fields than stand here, where its schema does not say otherwise.
    override: ({ jsonSchema, zodSchema }) => {
      const { def } = zodSchema._zod;
      if (def.type === "object" && !("catchall" in def && def.catchall)) delete jsonSchema.additionalProperties;
      // Many validators know no Unicode classes: control characters are written out; lone surrogates are let pass here.
      if (jsonSchema.pattern?.includes("\\p{")) jsonSchema.pattern = "^[^#\\s\\u0000-\\u001f\\u007f-\\u009f]+$";
    },
  });
}
/** The document as its file holds it. */
export function databaseDocumentText(): string {
  return `${JSON.stringify(databaseDocument(), undefined, 2)}\n`;
}

if (import.meta.main) writeFileSync(openApiFile, databaseDocumentText());
