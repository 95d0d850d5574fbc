import { z } from "zod";
import { type HttpApp, httpError } from "../../../platform/http.ts";
import { type LiveState, liveState, windowPoint } from "../contract/live.ts";
import type { Hub } from "../live/hub.ts";
import { hourMs } from "../live/windows.ts";
import { LiveStreams } from "../stream.ts";
import { parseQuery, timeParameter } from "./parameters.ts";

export const liveParameters = z.object({ since: timeParameter.optional() });
export const windowsParameters = z.object({ minutes: z.coerce.number().positive().max(60).default(10) });
export const windowsAnswer = z.object({ windows: z.array(windowPoint) });
export const stateAnswer = liveState;

/** GET /api/state (now), /api/windows (the last minutes), /api/live (both, each second, as server-sent events). */
export function addLiveRoutes(app: HttpApp, hub: Hub): void {
  const streams = new LiveStreams(hub);
  app.get("/api/state", (context) => context.json<LiveState>(hub.state()));
  app.get("/api/windows", (context) => {
    const { minutes } = parseQuery(context, windowsParameters);
    return context.json({ windows: hub.windowsSince(Date.now() - minutes * 60_000) });
  });
  app.get("/api/live", (context) => {
    const { since } = parseQuery(context, liveParameters);
    const body = streams.create(Math.max(since ?? 0, Date.now() - hourMs));
    if (!body) throw httpError(503, "too many pages are open");
    return context.body(body, 200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  });
}
