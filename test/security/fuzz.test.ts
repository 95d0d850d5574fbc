/**
 * Bad input at every boundary: nothing may crash, be dropped without a word, or answer 5xx to a client's mistake, and
 * memory must not grow. EVENKEEL_LONG=1: 10^6 inputs; otherwise the first two-hundredth of them.
 */
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, beforeAll, describe, expect, it, jest } from "@jest/globals";
import { z } from "zod";
import { main } from "../../cli/main.ts";
import { parseMessage } from "../../lambdas/workload/record-executions/parse-message.ts";
import { ConfigError, nameList, parseEnvironment, port, token as tokenVariable } from "../../platform/config.ts";
import { gateBatch } from "../../platform/gate-wire.ts";
import type { HttpApp } from "../../platform/http.ts";
import { createLog, silentLog } from "../../platform/log.ts";
import { knobsChange } from "../../platform/scheduler-status.ts";
import { reachVariables } from "../../platform/server-address.ts";
import { createServerApi } from "../../platform/server-api.ts";
import { costItemSchema, versionItemSchema } from "../../platform/tables/costs.ts";
import { executionItem, executionItemSchema } from "../../platform/tables/executions.ts";
import { parseItems } from "../../platform/tables/query.ts";
import { receiptItem, receiptItemSchema } from "../../platform/tables/receipts.ts";
import { storedWindow, windowItem, windowItemSchema } from "../../platform/tables/windows.ts";
import { batchEnvelope, delayRequest, outboxRow, placeRequest } from "../../platform/wire.ts";
import { parseKnobs } from "../../services/scheduler/knobs.ts";
import { createStatusApp } from "../../services/scheduler/status.ts";
import { Engine } from "../../sim-server/database/engine.ts";
import { loadParameters, ParametersError, parameters, parseParameters } from "../../sim-server/database/parameters.ts";
import { badJson, below, mutate, pick, type Random, seeded } from "../support/fuzz.ts";
import { createIdleGatekeeper } from "../support/gatekeeper.ts";
import { batchBody, executionRow, windowRow } from "../support/rows.ts";
import { SimDatabase } from "../support/sim-database.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const long = process.env.EVENKEEL_LONG === "1";
const share = long ? 1 : 0.005;
jest.setTimeout(long ? 3_600_000 : 60_000);

setFlagsFromString("--expose-gc");
const collectGarbage: () => void = runInNewContext("gc");
/** After what waits for the end of a turn has been let go. */
async function heapBytes(): Promise<number> {
  for (let times = 0; times < 3; times++) {
    await sleep(20);
    collectGarbage();
  }
  return process.memoryUsage().heapUsed;
}

/** Feeds `count` inputs; returns what went wrong (at most a few) and by how much the heap grew after the first fifth. */
async function feed(
  count: number,
  seed: number,
  input: (random: Random) => string | undefined | Promise<string | undefined>,
) {
  const random = seeded(seed);
  const wrong: string[] = [];
  let before = 0;
  for (let index = 0; index < count && wrong.length < 5; index++) {
    if (index === Math.floor(count / 5)) before = await heapBytes();
    try {
      const problem = await input(random);
      if (problem !== undefined) wrong.push(`input ${index}: ${problem}`);
    } catch (error) {
      wrong.push(`input ${index} throws: ${error instanceof Error ? error.stack : error}`);
    }
  }
  return { wrong, growth: (await heapBytes()) / before - 1 };
}

const isOneLine = (text: string) => text !== "" && !/[\r\n]/.test(text) && text.length < 3_000;

async function expectClean(count: number, seed: number, input: Parameters<typeof feed>[2]): Promise<void> {
  const { wrong, growth } = await feed(Math.ceil(count * share), seed, input);
  expect(wrong).toEqual([]);
  // In a slice the heap is still warming up.
  if (long) expect(growth).toBeLessThan(0.1);
}

const directory = temporaryDirectory();
const database = new SimDatabase({ serverId: "fuzzed", directory: directory.path, parameters: { queries: 20 } });
const token = "the-token-of-this-test";
const logged: string[] = [];
const log = createLog("test", (line) => {
  logged.push(line);
});
const api = createServerApi(database.server, { log, token });
const knobs = { enabled: true, latencyP95Seconds: 5, bandWidth: 0.1, burst: 1 };
const schedulerApp = createStatusApp(log, { token });

beforeAll(() => {
  for (let tick = 0; tick < 50; tick++) database.server.runTick();
});
afterAll(async () => {
  await database.stop();
  directory[Symbol.dispose]();
});

const window = windowItem("s", "i", windowRow(2, { queries: ["a"], ticks: [[0], []] }), 1);
const cost = { mean: [1, 2, 3], sd: [1, 1, 1], seen: 1, lastSeenAt: 1, serverId: "s", queryId: "q", format: 1 };
const version = {
  serverId: "s",
  queryId: "#version",
  format: 1,
  version: 1,
  published: 1,
  estimatedAt: 1,
  stateKey: "k",
  windows: 1,
  readThrough: 1,
  prior: cost,
  quality: {},
};
const kinds: readonly (readonly [schema: z.ZodType<unknown>, sample: Record<string, unknown>])[] = [
  [executionItemSchema, { ...executionItem("s", "i", executionRow(1), 1) }],
  [receiptItemSchema, { ...receiptItem("s", "i", { first: 1, last: 2 }, 1, 1, 1) }],
  [windowItemSchema, { ...window }],
  [costItemSchema, cost],
  [versionItemSchema, version],
];

const gateSample = {
  ...{ process: "p", application: "a", database: "d", role: "r", mode: "enforce", number: 1, closing: false },
  statements: [{ sql: "select 1", length: 8 }, { id: "x" }],
  events: [
    { type: "queued", id: "e1", statement: 0, agoMs: 1, withinMs: 500, shadow: false },
    { type: "cancelled", id: "e2" },
    { type: "lost", id: "l", count: 3, fromAgoMs: 9, toAgoMs: 1 },
  ],
  executions: { number: [1, 2], statement: [1, 0], heldMs: [1, 0], agoMs: [4, 5], durationMs: [null, 3] },
};

describe("over HTTP", () => {
  const bodies: readonly (readonly [path: string, method: string, body: unknown])[] = [
    ["/delay", "POST", { id: "x", delay: 1 }],
    ["/place", "POST", { fence: 1, placements: [{ id: "x", tick: 5 }] }],
    ["/knobs", "PUT", knobs],
    ["/gate", "POST", gateSample],
    ["/usage", "POST", { samples: [{ from: 1, to: 2, cpuMs: 1, ioKiB: 1, memoryMiB: 1 }] }],
    ["/identify", "POST", { database: "d", role: "r", statements: [{ sql: "select 1", length: 8 }, { id: "x" }] }],
  ];
  const paths = [
    "/",
    "//",
    "/queued",
    "/resources",
    "/server",
    "/explain?execution=",
    "/status?since=x",
    "/%",
    "/..%2f",
    "/delay/",
    "/%64elay",
    "/\u00e9",
  ];
  const statuses = new Set([200, 204, 400, 401, 403, 404, 405, 409, 413]);

  /** One bad request; the answer's problem, if it has one. */
  const request = (app: HttpApp, mayBeAway: boolean) => async (random: Random) => {
    const [path, method, sample] = pick(random, bodies);
    const other = random() < 0.2;
    const asked = other ? pick(random, paths) : path;
    const used = random() < 0.1 ? pick(random, ["GET", "PUT", "DELETE", "PATCH", "OPTIONS", "POST"]) : method;
    const body = badJson(random, sample).toWellFormed();
    const headers: Record<string, string> = { host: "localhost", authorization: `Bearer ${token}` };
    if (random() < 0.1)
      headers["content-type"] = pick(random, [
        "text/xml",
        "multipart/form-data",
        "\u00ff",
        "application/json; charset=x",
      ]);
    if (random() < 0.05) headers["content-length"] = pick(random, ["-1", "x", "0", "99999999999"]);
    if (random() < 0.05) headers.origin = pick(random, ["null", "http://x", "\u00ff"]);
    const withBody = used !== "GET" && used !== "HEAD";
    const response = await app.request(asked, { method: used, headers, ...(withBody && { body }) }, {});
    const { status } = response;
    const text = await response.text();
    const told = `${used} ${asked} ${body.slice(0, 200)}: ${status} ${text.slice(0, 200)}`;
    if (!statuses.has(status) && !(mayBeAway && status === 503)) return told;
    if (status >= 400 && typeof JSON.parse(text).error !== "string") return told;
    if (status === 200 && used === "POST" && asked === "/delay") {
      const { id, delay, ...more } = JSON.parse(body);
      if (typeof id !== "string" || !Number.isSafeInteger(delay) || delay < 0 || Object.keys(more).length > 0)
        return told;
    }
    return undefined;
  };

  it("a database refuses it in one line", async () => {
    await expectClean(200_000, 1, request(api, false));
    expect(logged).toEqual([]);
  });

  it("a gatekeeper does, too", async () => {
    await expectClean(200_000, 20, request(createIdleGatekeeper(token), true));
  });

  it("a scheduler does, too", async () => {
    await expectClean(100_000, 2, request(schedulerApp.app, true));
  });
});

describe("queue messages", () => {
  const rows = [
    executionRow(1),
    windowRow(2, { queries: ["a"], ticks: [[0], []] }),
    { type: "gap", sequence: 3, epoch: "e", from: 1, to: 2, reason: "r" },
  ];
  const sample = JSON.parse(batchBody("server", "incarnation", 1, rows));

  it("are refused whole or row by row, with reasons; every row is somewhere", async () => {
    let kept = 0;
    await expectClean(300_000, 3, (random) => {
      const body = badJson(random, sample);
      const parsed = parseMessage(body);
      if (parsed.type === "foreign") return isOneLine(parsed.reason) ? undefined : `reason: ${parsed.reason}`;
      kept += parsed.rows.length;
      const given = JSON.parse(body).rows.length;
      if (parsed.rows.length + parsed.poison.length !== given) return `${given} rows came, fewer are told: ${body}`;
      for (const { row, reason } of parsed.poison) {
        if (!isOneLine(reason)) return `reason: ${reason}`;
        // As the dead-letter queue gets it.
        JSON.stringify(row);
      }
      for (const row of parsed.rows) {
        if (row.type === "execution") executionItem("s", "i", row, 1);
        else if (row.type === "window") storedWindow(windowItem("s", "i", row, 1));
      }
      return undefined;
    });
    expect(kept).toBeGreaterThan(50);
  });
});

describe("table items", () => {
  it("are read, or told with their key", async () => {
    await expectClean(250_000, 4, (random) => {
      const [schema, sample] = pick(random, kinds);
      const items = [mutate(random, sample), sample, mutate(random, sample)].map((item) =>
        z.record(z.string(), z.unknown()).catch({}).parse(item),
      );
      const { read, unreadable } = parseItems(schema, items, "t", ({ key }) => JSON.stringify(key));
      if (read.length + unreadable.length !== items.length || read.length === 0) return JSON.stringify(items);
      return unreadable.every(({ problem }) => isOneLine(problem)) ? undefined : JSON.stringify(unreadable);
    });
  });

  it("of the scheduler's knobs are taken whole or refused in one line", async () => {
    await expectClean(50_000, 5, (random) => {
      const parsed = parseKnobs(mutate(random, knobs));
      return "wrong" in parsed && !isOneLine(parsed.wrong) ? parsed.wrong : undefined;
    });
  });
});

describe("parameter files", () => {
  const samples = ["default", "heavy", "bursty", "drift"].map((name) => loadParameters(name));

  it("are refused in one line, or the database runs with them", async () => {
    let ran = 0;
    await expectClean(80_000, 6, (random) => {
      const value = mutate(random, pick(random, samples));
      try {
        const parsed = parseParameters(value, "file.json");
        if (parsed.queries > 200 || below(random, 20) > 0) return undefined;
        const engine = new Engine(parsed, { runSeed: 1 });
        engine.step();
        engine.step();
        ran++;
        return undefined;
      } catch (error) {
        return error instanceof ParametersError && isOneLine(error.message)
          ? undefined
          : `${error} of ${JSON.stringify(value)}`;
      }
    });
    expect(ran).toBeGreaterThan(0);
  });
});

describe("environment variables", () => {
  const schema = z.object({
    PORT: port.default(1),
    NAMES: nameList.default([]),
    EVENKEEL_TOKEN: tokenVariable,
    ...reachVariables,
  });
  const texts = [
    "",
    " ",
    "0",
    "-1",
    "65536",
    "1e3",
    "x,,y",
    "loopback",
    "\u0000",
    "é".repeat(600),
    "80-443,x",
    "443",
    "a b",
    "x".repeat(20),
  ];

  it("are read, or told by name in one line that does not repeat them", async () => {
    await expectClean(20_000, 7, (random) => {
      const secret = `secret-${below(random, 1e9)}!`;
      const given = Object.fromEntries(
        Object.keys(schema.shape).map((name) => [name, random() < 0.3 ? secret : pick(random, texts)]),
      );
      try {
        parseEnvironment(schema, given);
        return undefined;
      } catch (error) {
        const fine = error instanceof ConfigError && isOneLine(error.message) && !error.message.includes(secret);
        return fine ? undefined : String(error);
      }
    });
  });
});

describe("the command line", () => {
  const words = [
    "status",
    "costs",
    "audit",
    "tail",
    "env",
    "conform",
    "attach",
    "down",
    "--json",
    "--watch",
    "--deep",
    "--wait",
    "--limit",
    "-1",
    "1e9",
    "NaN",
    "",
    " ",
    "--",
    "-x",
    "--help",
    "é",
    "http://169.254.169.254",
    "ftp://x",
    "\ud800",
    "--directory",
    "__proto__",
    "up --seed -1",
    "--version",
  ];

  it("refuses it with exit status 2 or 3 and a line of standard error, and starts nothing", async () => {
    const written: string[] = [];
    const mute = (stream: NodeJS.WriteStream) =>
      jest.spyOn(stream, "write").mockImplementation((text) => {
        written.push(String(text));
        return true;
      });
    const spies = [mute(process.stdout), mute(process.stderr)];
    try {
      await expectClean(5_000, 8, async (random) => {
        const args = Array.from({ length: 1 + below(random, 5) }, () => pick(random, words)).filter(
          (word) => word !== "--directory",
        );
        written.length = 0;
        const status = await main(["--directory", join(directory.path, "nothing"), ...args]);
        const told = written.join("");
        if (status === 0 && !/usage|nothing|ended/i.test(told)) return `${JSON.stringify(args)}: 0 ${told}`;
        return /\n\s+at .*\(?.*:\d+:\d+/.test(told) ? `${JSON.stringify(args)}: ${told}` : undefined;
      });
    } finally {
      for (const spy of spies) spy.mockRestore();
    }
  });
});

describe("a length that cannot be compared", () => {
  const hostile: readonly unknown[] = [
    { length: { toString: 1 } },
    { size: { toString: 1 } },
    { length: { valueOf: 1, toString: 1 } },
  ];

  /** Every copy of `value` in which one place is `bad`. */
  function* everywhere(value: unknown, bad: unknown): Generator<unknown> {
    yield bad;
    if (typeof value !== "object" || value === null) return;
    for (const [key, inner] of Object.entries(value)) {
      for (const changed of everywhere(inner, bad)) {
        yield Array.isArray(value) ? value.with(Number(key), changed) : { ...value, [key]: changed };
      }
    }
  }

  it("is refused wherever it stands", async () => {
    const schemas: readonly (readonly [z.ZodType<unknown>, unknown])[] = [
      [delayRequest, { id: "x", delay: 1 }],
      [placeRequest, { fence: 1, placements: [{ id: "x", tick: 5 }] }],
      [outboxRow, executionRow(1)],
      [outboxRow, windowRow(2, { queries: ["a"], ticks: [[0], []] })],
      [batchEnvelope, JSON.parse(batchBody("s", "i", 1, [1]))],
      [parameters, loadParameters("bursty")],
      [knobsChange, knobs],
      [gateBatch, gateSample],
      ...kinds,
    ];
    for (const [schema, sample] of schemas) {
      expect(schema.safeParse(sample).success).toBe(true);
      for (const bad of hostile) {
        for (const value of everywhere(sample, bad)) expect(() => schema.safeParse(value)).not.toThrow();
      }
    }
  });

  it("planted fault: zod's own checks throw", () => {
    expect(() => z.string().max(9).safeParse(hostile[0])).toThrow("primitive");
  });
});

describe("planted faults", () => {
  it("a crash, a silent drop and a 5xx are seen", async () => {
    const crashing = (random: Random) => {
      JSON.parse(badJson(random, { rows: [1] })).rows.slice();
      return undefined;
    };
    expect((await feed(200, 9, crashing)).wrong).not.toEqual([]);
    expect((await feed(2_000, 9, (random) => (random() < 0.01 ? "dropped" : undefined))).wrong).toHaveLength(5);
    const broken = () => {
      throw new TypeError("a fault");
    };
    const host = { queue: broken, resources: broken, delay: broken, place: broken, info: broken, subscribe: broken };
    const app = createServerApi(host, { log: silentLog, token });
    const response = await app.request(
      "/delay",
      { method: "POST", headers: { host: "localhost" }, body: '{"id":"x","delay":1}' },
      {},
    );
    expect(response.status).toBe(500);
  });

  it("memory that grows is seen", async () => {
    const kept: number[][] = [];
    const { growth } = await feed(1_000, 9, (random) => {
      kept.push(Array(20_000).fill(random()));
      return undefined;
    });
    expect(growth).toBeGreaterThan(0.1);
    kept.length = 0;
  });
});
