import type { HttpApp } from "../../../platform/http.ts";
import type { Hub } from "../live/hub.ts";
import { createMetrics } from "../metrics.ts";
import { openApiDocument } from "../openapi.ts";

/** GET /metrics (Prometheus) and GET /api/openapi.json. */
export function addMachineRoutes(app: HttpApp, hub: Hub): void {
  const metrics = createMetrics(hub);
  const document = openApiDocument();
  app.get("/metrics", async (context) =>
    context.body(await metrics.metrics(), 200, { "Content-Type": metrics.contentType }),
  );
  app.get("/api/openapi.json", (context) => context.json(document));
}
