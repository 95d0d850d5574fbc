import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { viewPaths } from "../../../services/console/app.ts";
import { loadAssets } from "../../../services/console/assets.ts";
import type { LiveState } from "../../../services/console/contract/live.ts";
import type { QueryRow } from "../../../services/console/contract/queries.ts";
import { createMetrics } from "../../../services/console/metrics.ts";
import { mergeWindows } from "../../../services/console/page/merge-windows.ts";
import { selectQueries } from "../../../services/console/queries.ts";
import { createIdleConsole } from "../../support/console.ts";

const app = createIdleConsole();
const ask = async (path: string) => app.request(path, { headers: { host: "localhost" } });

describe("the API", () => {
  it("describes each of its routes, and no other", async () => {
    const document = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });
    const { paths } = document.parse(await (await ask("/api/openapi.json")).json());
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const own = ["/healthz", "/page/:file{.+}", "/api/openapi.json", ...viewPaths];
    const served = app.routes
      .filter(({ method, path }) => method !== "ALL" && !own.includes(path))
      .map(({ method, path }) => `${method} ${path.replace(":id{.+}", "{id}")}`);
    expect(described.sort()).toEqual([...new Set(served)].sort());
  });

  it.each([
    ["/api/queries?sort=price", 400, /sort/],
    ["/api/queries?limit=1000000", 400, /limit/],
    ["/api/history?from=9&to=8", 400, /from must be before to/],
    ["/api/history?from=0&to=9999999999999", 400, /at most 24 hours/],
    ["/api/history?from=x", 400, /from/],
    ["/api/history", 503, /has not answered yet/],
    ["/api/windows?minutes=-1", 400, /minutes/],
    ["/api/live?since=never", 400, /since/],
    ["/api/why/window", 400, /at/],
    ["/api/why/execution/a%20b", 400, /no execution's id/],
    ["/api/why/execution/unknown", 404, /nobody remembers/],
    ["/api/what-if?latency=0", 400, /latency/],
    ["/api/convergence/q", 409, /no simulator/],
    ["/api/nothing", 404, /no such address/],
    ["/page/../main.ts", 404, /no such/],
  ])("refuses %s with %d in one line", async (path, status, message) => {
    const answer = await ask(path);
    expect(answer.status).toBe(status);
    const { error } = z.strictObject({ error: z.string().max(500) }).parse(await answer.json());
    expect(error).toMatch(message);
    expect(error).not.toContain("\n");
  });

  it("refuses knobs that nobody can turn", async () => {
    const put = (body: string) => app.request("/api/knobs", { method: "PUT", body, headers: { host: "localhost" } });
    for (const body of [
      "",
      "{",
      "[]",
      "{}",
      '{"enabled":"no"}',
      '{"latencyP95Seconds":0}',
      '{"bandWidth":1}',
      '{"timeBudgetMs":5}',
    ])
      expect([body, (await put(body)).status]).toEqual([body, 400]);
    expect((await put('{"enabled":false}')).status).toBe(409);
  });
});

describe("metrics", () => {
  const names = (text: string) => new Set(text.match(/\bevenkeel_[a-z0-9_]+/g));
  const state = {
    ...{
      at: 10_000,
      serverId: 'a"b\n',
      tickMs: 100,
      spread: false,
      waiting: 3,
      keeps: "",
      scheduler: null,
      audit: null,
      queue: null,
    },
    parts: [{ name: "scheduler", state: "away", since: 0, problem: "gone" }],
    inBand: { minute: 0.5, tenMinutes: null, hour: null },
    delay: { minute: null, tenMinutes: null, hour: null, buckets: [] },
    capture: null,
    costs: { version: 1, estimatedAt: 4_000, queries: 7 },
    comparison: { off: null, on: null },
  } satisfies LiveState;

  it("leave out what is not known, and escape names", async () => {
    const text = await createMetrics({ state: () => state, windowsSince: () => [] }).metrics();
    expect(text).toContain('evenkeel_in_band_share{minutes="1"} 0.5');
    expect(text).not.toContain('evenkeel_in_band_share{minutes="10"}');
    expect(text).toContain('evenkeel_part_up{part="scheduler"} 0');
    expect(text).toContain('evenkeel_waiting_executions{server="a\\"b\\n"} 3');
    expect(text).toContain('evenkeel_costs_age_seconds{server="a\\"b\\n"} 6');
    expect(text).not.toMatch(/^evenkeel_dead_letters\{/m);
  });

  it("are those that the dashboard shows", async () => {
    const served = names(await createMetrics({ state: () => state, windowsSince: () => [] }).metrics());
    const shown = names(readFileSync("docs/grafana/evenkeel.json", "utf8"));
    expect(shown.size).toBeGreaterThan(10);
    expect([...shown].filter((name) => !served.has(name))).toEqual([]);
  });
});

describe("the table of queries", () => {
  const row = (queryId: string, cpu: number | null, perMinute: number): QueryRow => ({
    queryId,
    mean: cpu === null ? null : [cpu, 0, 0],
    sd: null,
    durationMs: null,
    seen: 0,
    lastSeenAt: null,
    perMinute,
    loadShare: 0,
    meanDelaySeconds: null,
    perTenSeconds: [],
  });
  const rows = [row("b", 5, 1), row("a", null, 2), row("c", 7, 3), row("d", 5, 0)];
  const ids = (change: Partial<Parameters<typeof selectQueries>[1]>) =>
    selectQueries(rows, { sort: "cpu", order: "desc", filter: "", offset: 0, limit: 10, ...change }).queries.map(
      ({ queryId }) => queryId,
    );

  it("sorts either way, what has no value last, and equal ones by id", () => {
    expect(ids({})).toEqual(["c", "b", "d", "a"]);
    expect(ids({ order: "asc" })).toEqual(["b", "d", "c", "a"]);
    expect(ids({ sort: "traffic" })).toEqual(["c", "a", "b", "d"]);
    expect(ids({ sort: "id", order: "asc" })).toEqual(["a", "b", "c", "d"]);
  });

  it("filters before it counts pages", () => {
    expect(ids({ offset: 1, limit: 2 })).toEqual(["b", "d"]);
    expect(selectQueries(rows, { sort: "id", order: "asc", filter: "C", offset: 0, limit: 1 })).toMatchObject({
      matching: 1,
      total: 4,
    });
  });
});

describe("the page's files", () => {
  it("hold no inline script or style", () => {
    const page = new TextDecoder().decode(loadAssets().get("index.html")?.body);
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
  });

  it("weigh less than 200 kB compressed", () => {
    const bytes = Array.from(loadAssets().values(), ({ gzipped }) => gzipped.length).reduce(
      (sum, size) => sum + size,
      0,
    );
    expect(bytes).toBeLessThan(200_000);
  });

  it("keep no more than an hour of windows", () => {
    const window = { ran: 1, waiting: 0, inBand: true, idle: false, deviation: 0, level: null, steered: true };
    const band = { average: 1, min: 1, max: 1 };
    const windows: Parameters<typeof mergeWindows>[0] = [];
    for (let at = 1_000; at <= 36_000_000; at += 1_000)
      mergeWindows(windows, [{ at, ...window, cpu: band, io: band, memory: band }]);
    expect(windows).toHaveLength(3_600);
  });
});
