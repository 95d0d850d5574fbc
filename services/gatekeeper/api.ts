import { type GateMessage, gateBatch, identifyRequest, usageReport } from "../../platform/gate-wire.ts";
import { type HttpApp, httpError, limitBody, parseBody, refuseHead } from "../../platform/http.ts";
import { available, createServerApi, type ServerApiOptions } from "../../platform/server-api.ts";
import { identifier } from "../../platform/wire.ts";
import type { Gatekeeper } from "./gatekeeper.ts";
import type { Identities } from "./identity.ts";

const batchBytes = 4 * 1024 * 1024;
const usageBytes = 64 * 1024;
const identifyBytes = 4 * 1024 * 1024;
/** A process whose messages wait for more than this is cut off; it comes back. */
const streamBytes = 1024 * 1024;
const mostStreams = 512;

/** The database server's API, and what gates and samplers ask: docs/adr/0900. */
export function createGatekeeperApi(
  gatekeeper: Gatekeeper,
  identities: Identities,
  options: ServerApiOptions,
): HttpApp {
  const app = createServerApi(gatekeeper, options);
  app.post("/gate", limitBody(batchBytes), async (context) => {
    const batch = await parseBody(context, gateBatch);
    const { length } = batch.statements;
    const told = [
      ...batch.events.flatMap((event) => ("statement" in event ? event.statement : [])),
      ...batch.executions.statement,
    ];
    const beyond = told.find((statement) => statement >= length);
    if (beyond !== undefined) throw httpError(400, `statement ${beyond}: only ${length} are told`);
    return context.json(await available(() => gatekeeper.report(batch)));
  });
  let streams = 0;
  app.get("/gate", refuseHead, (context) => {
    const process = identifier.safeParse(context.req.query("process"));
    if (!process.success) throw httpError(400, "process: the id under which POST /gate is used is expected");
    if (streams >= mostStreams) throw httpError(503, "too many streams are open");
    const body = follow(gatekeeper, process.data, () => {
      streams--;
    });
    if (!body) throw httpError(404, "no such process: it tells something through POST /gate first");
    streams++;
    return context.body(body, 200, { "Content-Type": "application/x-ndjson", "Cache-Control": "no-store" });
  });
  app.post("/usage", limitBody(usageBytes), async (context) => {
    const { samples } = await parseBody(context, usageReport);
    const refusal = gatekeeper.sampled(samples);
    if (refusal !== undefined) throw httpError(400, refusal);
    return context.json({ taken: samples.length });
  });
  app.post("/identify", limitBody(identifyBytes), async (context) => {
    const { database, role, statements } = await parseBody(context, identifyRequest);
    return context.json({ ids: statements.map((one) => identities.identify(database, role, one).queryId) });
  });
  app.get("/statements", refuseHead, (context) => context.json(identities.texts()));
  return app;
}

function follow(gatekeeper: Gatekeeper, process: string, onEnd: () => void): ReadableStream<Uint8Array> | undefined {
  const encoder = new TextEncoder();
  let unfollow: (() => void) | undefined;
  let known = true;
  let ended = false;
  const end = () => {
    if (ended) return;
    ended = true;
    unfollow?.();
    onEnd();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start(controller) {
        unfollow = gatekeeper.follow(process, (message: GateMessage) => {
          if (ended) return;
          if ((controller.desiredSize ?? 0) <= 0) {
            end();
            return controller.error(new Error("too slow"));
          }
          controller.enqueue(encoder.encode(`${JSON.stringify(message)}\n`));
        });
        known = unfollow !== undefined;
      },
      cancel: end,
    },
    new ByteLengthQueuingStrategy({ highWaterMark: streamBytes }),
  );
  return known ? body : undefined;
}
