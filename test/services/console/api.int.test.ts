/** The API as a program uses it: over HTTP beside a real loop in a real cloud, judged by the document that it serves. */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { historyAnswer } from "../../../services/console/contract/history.ts";
import { liveState } from "../../../services/console/contract/live.ts";
import { queriesAnswer, queryAnswer } from "../../../services/console/contract/queries.ts";
import { executionStory } from "../../../services/console/contract/why.ts";
import { Engine } from "../../../sim-server/database/engine.ts";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { type Answer, answerOf, readOpenApi } from "../../support/openapi.ts";
import { listeningUrl, type SchedulerProcess, startScheduler, writeTrueCosts } from "../../support/scheduler.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const scenario = "five";
const patienceMs = 60_000;

describe("the API beside a running loop", () => {
  const directory = temporaryDirectory();
  const environment = sharedCloud();
  const serverId = `asked-${randomUUID().slice(0, 8)}`;
  const asked = new Set<string>();
  const children: ChildProcess[] = [];
  let scheduler: SchedulerProcess | undefined;
  /** Where the console is. */
  let served = "";
  let api: ReturnType<typeof readOpenApi>;

  /** Starts a process of the loop; resolves with its address. */
  async function start(program: string, variables: Record<string, string>): Promise<string> {
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, ...environment, PORT: "0", ...variables },
      stdio: ["ignore", "pipe", process.env.EVENKEEL_TEST_OUTPUT ? "inherit" : "ignore"],
    });
    children.push(child);
    return listeningUrl(child);
  }
  /** Asks a documented path, and expects what is documented. */
  async function ask(path: string, parameters: Record<string, string> = {}, init: RequestInit = {}): Promise<Answer> {
    const method = (init.method ?? "GET").toLowerCase();
    let address = path;
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(parameters)) {
      if (path.includes(`{${name}}`)) address = address.replace(`{${name}}`, encodeURIComponent(value));
      else query.set(name, value);
    }
    const answer = await answerOf(await fetch(`${served}${address}?${query}`, init));
    expect([path, parameters, answer.status, api.undocumented(path, method, answer)]).toEqual([
      path,
      parameters,
      answer.status,
      undefined,
    ]);
    asked.add(`${method} ${path}`);
    return answer;
  }
  async function read<Schema extends z.ZodType>(
    schema: Schema,
    ...request: Parameters<typeof ask>
  ): Promise<z.infer<Schema>> {
    const { status, text } = await ask(...request);
    expect([request[0], status, status === 200 ? "" : text]).toEqual([request[0], 200, ""]);
    return schema.parse(JSON.parse(text));
  }
  const put = (body: string) => ask("/api/knobs", {}, { method: "PUT", body });
  /** Asks for long work until it is done. */
  const done = async (path: string, parameters: Record<string, string>) => {
    const job = await eventually(
      () => read(z.looseObject({ state: z.string(), problem: z.string().optional() }), path, parameters),
      ({ state }) => state !== "running",
      patienceMs,
    );
    expect([job.state, job.problem]).toEqual(["done", undefined]);
  };

  beforeAll(async () => {
    const url = await start("sim-server/database/main.ts", {
      EVENKEEL_SERVER_ID: serverId,
      EVENKEEL_SCENARIO: scenario,
      EVENKEEL_DATA_DIR: directory.path,
    });
    await writeTrueCosts(environment, serverId, new Engine(loadParameters(scenario), { runSeed: 1 }));
    scheduler = await startScheduler(environment, { EVENKEEL_SERVER_URL: url });
    served = await start("services/console/main.ts", {
      EVENKEEL_SERVER_URL: url,
      EVENKEEL_SCHEDULER_URL: scheduler.url,
      EVENKEEL_SIMULATOR: join("sim-server", "database", "traffic.ts"),
      EVENKEEL_SCENARIO: "few",
    });
    api = readOpenApi(await (await fetch(`${served}/api/openapi.json`)).json());
    const state = await eventually(
      async () => liveState.parse(await (await fetch(`${served}/api/state`)).json()),
      ({ scheduler: of, audit, costs, queue }) =>
        of?.mode === "steering" && (audit?.recorded ?? 0) > 300 && costs !== null && queue !== null,
      patienceMs,
    );
    expect(state).toMatchObject({ serverId, scheduler: { mode: "steering" } });
    expect(state.parts.map(({ state: is }) => is)).toEqual(["answers", "answers", "answers", "answers"]);
  }, 2 * patienceMs);
  afterAll(async () => {
    await scheduler?.end("SIGKILL");
    for (const child of children) {
      if (child.exitCode !== null) continue;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    }
    directory[Symbol.dispose]();
  }, patienceMs);

  it("tells the present as documented", async () => {
    const state = await read(liveState, "/api/state");
    expect(state.capture?.executed).toBeGreaterThan(300);
    expect(state.audit).toMatchObject({ complete: true, lost: 0 });
    const { windows } = await read(z.object({ windows: z.array(z.unknown()) }), "/api/windows", { minutes: "1" });
    expect(windows.length).toBeGreaterThan(3);

    const aborted = new AbortController();
    const stream = await fetch(`${served}/api/live`, { signal: aborted.signal });
    const reader = stream.body?.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    while (reader && text.split("\n\n").length < 4) text += (await reader.read()).value ?? "";
    aborted.abort();
    const events = [...text.matchAll(/^data: (.*)$/gm)].map(([, data = ""]) => data);
    expect(events.length).toBeGreaterThanOrEqual(3);
    expect(events.map((data) => api.undocumentedEvent("/api/live", data))).toEqual(events.map(() => undefined));
    asked.add("get /api/live");
  }, 30_000);

  it("tells of queries, executions and windows as documented", async () => {
    const { queries, total } = await read(queriesAnswer, "/api/queries", { sort: "traffic", limit: "5" });
    expect(queries).toHaveLength(5);
    expect(total).toBeGreaterThan(20);
    const queryId = queries[0]?.queryId ?? "";
    const { executions } = await read(queryAnswer, "/api/queries/{id}", { id: queryId });
    const ran = executions[0];
    expect(ran).toBeDefined();
    const story = await read(executionStory, "/api/why/execution/{id}", { id: ran?.executionId ?? "" });
    expect(story).toMatchObject({ queryId, executedTick: ran?.tick, recorded: { sequence: expect.any(Number) } });
    const at = String(ran?.executedAt);
    await ask("/api/why/window", { at });
    const old = await read(executionStory, "/api/why/execution/{id}", {
      id: ran?.executionId ?? "",
      query: queryId,
      at,
    });
    expect(old.executionId).toBe(ran?.executionId);
    expect((await ask("/api/queries/{id}", { id: "unknown" })).status).toBe(404);
    expect((await ask("/api/why/execution/{id}", { id: "unknown" })).status).toBe(404);
  }, 30_000);

  it("tells of the past as documented, as JSON and CSV", async () => {
    const to = Date.now();
    const range = { from: String(to - 120_000), to: String(to) };
    const history = await read(historyAnswer, "/api/history", range);
    expect(history.windows).toBeGreaterThan(2);
    const { text: csv } = await ask("/api/history/windows", range);
    const json = await read(z.array(z.unknown()), "/api/history/windows", { ...range, format: "json" });
    expect(json.length).toBeGreaterThanOrEqual(history.windows);
    const lines = csv.trimEnd().split("\n");
    expect(lines.length - 1).toBeGreaterThanOrEqual(history.windows);
    expect(new Set(lines.map((line) => line.split(",").length))).toEqual(new Set([13]));
  }, 30_000);

  it(
    "does long work as documented",
    async () => {
      await done("/api/what-if", { minutes: "1", latency: "2", to: String(Date.now()) });
      await done("/api/convergence/{id}", { id: "any", minutes: "1" });
    },
    2 * patienceMs,
  );

  it("turns the scheduler's knobs as documented", async () => {
    const before = JSON.parse((await put('{"latencyP95Seconds":3}')).text);
    expect(before).toMatchObject({ latencyP95Seconds: 3, enabled: true });
    expect((await put('{"latencyP95Seconds":-3}')).status).toBe(400);
    expect((await put("")).status).toBe(400);
    expect((await scheduler?.status())?.knobs.latencyP95Seconds).toBe(3);
  }, 30_000);

  it("serves metrics in Prometheus' text format", async () => {
    const { text } = await ask("/metrics");
    const sample = /^evenkeel_[a-z0-9_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?\d+(\.\d+)?(e-?\d+)?$/;
    const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
    expect(lines.filter((line) => !sample.test(line))).toEqual([]);
    const named = (name: string) => lines.some((line) => line.startsWith(`evenkeel_${name}{`));
    const names = ["usage_percent", "in_band_share", "delay_seconds", "audit_recorded_rows", "costs_age_seconds"];
    expect(names.filter((name) => !named(name))).toEqual([]);
    expect(lines).toContain('evenkeel_part_up{part="scheduler"} 1');
  });

  it("refuses each parameter that is not as documented, in one line that names it", async () => {
    const needed: Readonly<Record<string, string>> = { "/api/why/window": "at" };
    const tried: string[] = [];
    for (const [path, { get }] of Object.entries(api.paths)) {
      for (const { name, in: place, schema } of get?.parameters ?? []) {
        const isText = schema.type === "string" && schema.enum === undefined;
        const wrong =
          place === "path" ? ["", " ", "x".repeat(2_000)] : isText ? ["x".repeat(2_000)] : ["x", "-1", "1e99"];
        for (const value of wrong) {
          const parameters = { ...(path.includes("{id}") && { id: "q" }), [name]: value };
          const { status, text } = await ask(path, parameters);
          const error = z.strictObject({ error: z.string().max(500) }).safeParse(JSON.parse(text)).data?.error ?? "";
          const named = place === "path" || error.includes(name);
          // An empty id is another path.
          const refused = status === 400 || (place === "path" && value === "" && status === 404);
          tried.push(`${path} ${name}`);
          expect([
            path,
            name,
            value.slice(0, 20),
            status,
            refused,
            named || status === 404,
            error.includes("\n"),
          ]).toEqual([path, name, value.slice(0, 20), status, true, true, false]);
        }
      }
    }
    for (const [path, name] of Object.entries(needed)) expect((await ask(path)).text).toContain(name);
    expect(new Set(tried).size).toBeGreaterThan(18);
  }, 30_000);

  it("asked every route that is documented", () => {
    const all = Object.entries(api.paths).flatMap(([path, of]) => Object.keys(of).map((method) => `${method} ${path}`));
    expect([...asked].sort()).toEqual(all.sort());
  });

  it("would be seen answering otherwise", async () => {
    const { text } = await ask("/api/state");
    const state = JSON.parse(text);
    const judged = (of: object, status = 200, type = "application/json") =>
      api.undocumented("/api/state", "get", { status, type, text: JSON.stringify(of) });
    expect(judged(state)).toBeUndefined();
    expect(judged({ ...state, at: "now" })).toContain("at");
    expect(judged({ ...state, waiting: undefined })).toContain("waiting");
    expect(judged({ ...state, extra: 1 })).toContain("extra");
    expect(judged({ ...state, inBand: { ...state.inBand, hour: 1.5 } })).toContain("inBand.hour");
    expect(judged({ message: "away" }, 503)).toContain("error");
    expect(judged(state, 200, "text/html")).toContain("text/html is not documented");
    expect(api.undocumentedEvent("/api/live", JSON.stringify({ state, windows: [{}] }))).toContain("windows[0]");
  });
});
