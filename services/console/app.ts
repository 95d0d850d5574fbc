/** The console over HTTP: the page, its API, and metrics. */
import { compress } from "hono/compress";
import { createApp, type HttpApp, httpError, refuseHead } from "../../platform/http.ts";
import type { Access } from "../../platform/http-guard.ts";
import type { Log } from "../../platform/log.ts";
import { addHistoryRoutes } from "./api/history.ts";
import { addLiveRoutes } from "./api/live.ts";
import { addMachineRoutes } from "./api/machine.ts";
import { addQueryRoutes } from "./api/queries.ts";
import { addSwitchRoutes } from "./api/switch.ts";
import { addWhatIfRoutes, type Simulation } from "./api/what-if.ts";
import { addWhyRoutes } from "./api/why.ts";
import { loadAssets, pageHeaders, sendAsset } from "./assets.ts";
import type { Jobs } from "./jobs/jobs.ts";
import type { Hub } from "./live/hub.ts";
import type { SchedulerClient } from "./scheduler-client.ts";
import type { ConsoleStore } from "./store.ts";

export interface ConsoleOptions {
  readonly hub: Hub;
  readonly scheduler: SchedulerClient | undefined;
  readonly store: ConsoleStore;
  readonly jobs: Jobs;
  readonly simulation?: Simulation | undefined;
  readonly log: Log;
  readonly access: Omit<Access, "open" | "pages">;
}

/** Each address of a view is the page: its link leads there again. */
export const viewPaths = ["/", "/queries", "/query", "/why", "/what-if", "/history"] as const;

export function createConsoleApp(options: ConsoleOptions): HttpApp {
  const app = createApp(options.log, { ...options.access, open: ["/api/knobs"], pages: [...viewPaths, "/page/"] });
  const assets = loadAssets();
  const page = assets.get("index.html");
  if (!page) throw new Error("the page is missing");
  app.use(refuseHead);
  app.use(async (context, next) => {
    await next();
    for (const [name, value] of Object.entries(pageHeaders)) context.header(name, value);
    if (!context.res.headers.has("Cache-Control")) context.header("Cache-Control", "no-store");
  });
  const zip = compress();
  app.use((context, next) => (context.req.path.startsWith("/api/") ? zip(context, next) : next()));
  app.get("/healthz", (context) => context.json({ ok: true }));
  for (const path of viewPaths) app.get(path, (context) => sendAsset(context, page));
  app.get("/page/:file{.+}", (context) => {
    const asset = assets.get(context.req.param("file"));
    if (!asset) throw httpError(404, "no such file");
    return sendAsset(context, asset);
  });
  const { hub, scheduler, store, log } = options;
  addLiveRoutes(app, hub);
  addSwitchRoutes(app, scheduler);
  addQueryRoutes(app, hub, store);
  addWhyRoutes(app, { hub, scheduler, store });
  addHistoryRoutes(app, { hub, store, log });
  addWhatIfRoutes(app, { hub, jobs: options.jobs, simulation: options.simulation });
  addMachineRoutes(app, hub);
  return app;
}
