import { z } from "zod";
import { type HttpApp, httpError } from "../../../platform/http.ts";
import { describeError, type Log } from "../../../platform/log.ts";
import type { StoredWindow } from "../../../platform/tables/windows.ts";
import type { ExportedWindow, HistoryAnswer } from "../contract/history.ts";
import { Buckets, judgeStored, ranIn, readByHour } from "../history.ts";
import type { Hub } from "../live/hub.ts";
import type { ConsoleStore } from "../store.ts";
import { available, parseQuery, rangeParameters } from "./parameters.ts";

const hourMs = 3_600_000;
export const historyRange = rangeParameters(hourMs, 24 * hourMs);
export const exportParameters = z.object({ format: z.enum(["csv", "json"]).default("csv") });
/** Buckets of a chart. */
const mostBuckets = 720;
/** Reading a day takes seconds: not for many at a time. */
const mostReading = 2;

const columns = [
  "endedAt,time,executions,inBand",
  "cpuAverage,cpuMin,cpuMax,ioAverage,ioMin,ioMax,memoryAverage,memoryMin,memoryMax",
].join(",");

/** GET /api/history: the recorded windows of a time, summed up. GET /api/history/windows: each of them, as CSV or JSON. */
export function addHistoryRoutes(app: HttpApp, { hub, store, log }: { hub: Hub; store: ConsoleStore; log: Log }): void {
  let reading = 0;
  const enter = (): void => {
    if (reading >= mostReading) throw httpError(503, "two histories are being read already: try again in some seconds");
    reading++;
  };

  app.get("/api/history", async (context) => {
    const { from, to } = parseQuery(context, historyRange);
    enter();
    try {
      const stepMs = Math.max(1_000, Math.ceil((to - from) / mostBuckets / 1_000) * 1_000);
      const buckets = new Buckets(stepMs, hub.load.bandWidth);
      await available(hub, async (serverId) => {
        for await (const windows of readByHour(store, serverId, from, to)) {
          if (context.req.raw.signal.aborted) return;
          for (const window of windows) buckets.add(window);
        }
      });
      const list = buckets.list();
      const windows = list.reduce((sum, bucket) => sum + bucket.windows, 0);
      const inBand = list.reduce((sum, bucket) => sum + bucket.inBand, 0);
      return context.json<HistoryAnswer>({
        from,
        to,
        stepMs,
        windows,
        inBand: windows === 0 ? null : inBand / windows,
        buckets: list,
      });
    } finally {
      reading--;
    }
  });

  app.get("/api/history/windows", async (context) => {
    const { from, to } = parseQuery(context, historyRange);
    const { format } = parseQuery(context, exportParameters);
    enter();
    const left = () => {
      reading--;
    };
    try {
      const pages = await available(hub, async (serverId) => readByHour(store, serverId, from, to));
      const lines = format === "csv" ? csvLines(pages, hub.load.bandWidth) : jsonLines(pages, hub.load.bandWidth);
      const name = `windows-${new Date(from).toISOString().slice(0, 19).replaceAll(":", "")}.${format}`;
      return context.body(streamOf(lines, log, left), 200, {
        "Content-Type": format === "csv" ? "text/csv; charset=utf-8" : "application/json",
        "Content-Disposition": `attachment; filename="${name}"`,
      });
    } catch (error) {
      left();
      throw error;
    }
  });
}

type Pages = AsyncIterable<readonly StoredWindow[]>;

async function* csvLines(pages: Pages, bandWidth: number): AsyncGenerator<string> {
  const inBand = judgeStored(bandWidth);
  yield `${columns}\n`;
  for await (const windows of pages) {
    yield windows
      .map((window) => {
        const { cpu, io, memory } = window.metrics;
        const bands = [cpu, io, memory].flatMap(({ average, min, max }) => [average, min, max]);
        const at = [window.endedAt, new Date(window.endedAt).toISOString(), ranIn(window)];
        return `${[...at, inBand(window), ...bands].join(",")}\n`;
      })
      .join("");
  }
}

async function* jsonLines(pages: Pages, bandWidth: number): AsyncGenerator<string> {
  const inBand = judgeStored(bandWidth);
  let before = "[\n";
  for await (const windows of pages) {
    for (const window of windows) {
      const { endedAt, metrics } = window;
      const exported = { endedAt, executions: ranIn(window), inBand: inBand(window), ...metrics };
      yield `${before}${JSON.stringify(exported satisfies ExportedWindow)}`;
      before = ",\n";
    }
  }
  yield before === "[\n" ? "[]\n" : "\n]\n";
}

/** Reads on only as far as the client does. A failure in the middle breaks the transfer off, so that it is seen. */
function streamOf(lines: AsyncGenerator<string>, log: Log, ended: () => void): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let open = true;
  const end = (): void => {
    if (open) ended();
    open = false;
  };
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      try {
        const { done, value } = await lines.next();
        if (!done) return controller.enqueue(encoder.encode(value));
        end();
        controller.close();
      } catch (error) {
        log.warn("an export broke off", { problem: describeError(error) });
        end();
        controller.error(error);
      }
    },
    cancel: end,
  });
}
