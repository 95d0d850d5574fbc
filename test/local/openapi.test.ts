import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { databaseDocument, databaseDocumentText, openApiFile } from "../../local/openapi.ts";
import { silentLog } from "../../platform/log.ts";
import { createServerApi, HostUnavailable } from "../../platform/server-api.ts";
import { routesOf } from "../support/doors.ts";
import { badJson, seeded } from "../support/fuzz.ts";
import { answerOf, readOpenApi } from "../support/openapi.ts";
import { SimDatabase } from "../support/sim-database.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("docs/openapi/database.json", () => {
  it("is current: 'npm run openapi' writes it", () => {
    expect(readFileSync(openApiFile, "utf8")).toBe(databaseDocumentText());
  });

  it("has every route that our servers serve, and no other", () => {
    const away = () => {
      throw new HostUnavailable("away");
    };
    const host = { queue: away, resources: away, delay: away, place: away, info: away, subscribe: away };
    const described = Object.entries(databaseDocument().paths ?? {}).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(described.sort()).toEqual(routesOf(createServerApi(host, { log: silentLog })));
  });
});

const documented = readOpenApi(JSON.parse(readFileSync(openApiFile, "utf8")));

describe("the simulated database", () => {
  const directory = temporaryDirectory();
  const authorization = `Bearer ${process.env.EVENKEEL_TOKEN}`;
  let database: SimDatabase;
  beforeAll(async () => {
    const parameters = { tickMs: 20, defaultDelayTicks: 50 };
    database = await SimDatabase.start({ serverId: "documented", directory: directory.path, parameters });
  });
  afterAll(async () => {
    await database.stop();
    directory[Symbol.dispose]();
  });

  it("answers as documented, to good requests and to bad ones", async () => {
    const random = seeded(5);
    const wrong: string[] = [];
    const seen = new Set<string>();
    const ask = async (path: string, method: string, body?: string) => {
      const headers = { authorization };
      const response = await fetch(`${database.url}${path}`, { method, headers, ...(body !== undefined && { body }) });
      const answer = await answerOf(response);
      seen.add(`${method} ${path} ${answer.status}`);
      const methods = Object.keys(documented.paths[path] ?? {});
      const known = methods.find((one) => one === method.toLowerCase()) ?? methods[0] ?? "";
      const problem = documented.undocumented(path, known, answer);
      if (problem !== undefined) wrong.push(`${method} ${path} ${body?.slice(0, 100)}: ${response.status} ${problem}`);
    };
    const ids = () => database.server.queue().map(({ execution }) => execution.id);
    while (ids().length === 0) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const path of ["/queued", "/resources", "/server"]) await ask(path, "GET");
    for (const path of Object.keys(documented.paths)) await ask(path, "DELETE");
    for (let times = 0; times < 60; times++) {
      const [id = "gone"] = ids();
      const delay = { id, delay: 1 };
      const place = { fence: 1, placements: [{ id, tick: database.engine.tick + 60 }] };
      await ask("/delay", "POST", times % 3 === 0 ? JSON.stringify(delay) : badJson(random, delay).toWellFormed());
      await ask("/place", "POST", times % 3 === 0 ? JSON.stringify(place) : badJson(random, place).toWellFormed());
    }
    await ask("/place", "POST", JSON.stringify({ fence: 0, placements: [{ id: "x", tick: 1 }] }));
    await ask("/delay", "POST", JSON.stringify({ id: "x", delay: 1 }));
    await ask("/delay", "POST", "x".repeat(70_000));
    expect(wrong).toEqual([]);
    for (const one of [
      "GET /queued 200",
      "POST /delay 200",
      "POST /delay 400",
      "POST /delay 404",
      "POST /delay 413",
      "POST /place 200",
      "POST /place 409",
      "DELETE /queued 405",
    ]) {
      expect(seen).toContain(one);
    }
  }, 30_000);

  it("planted faults: an answer of another form, status or with a body is found", () => {
    const json = (status: number, text: string) => ({ status, type: "application/json", text });
    const queued = json(200, '[{"query":{"id":"q"},"execution":{"timestamp":1}}]');
    expect(documented.undocumented("/queued", "get", queued)).toContain("id");
    expect(documented.undocumented("/queued", "get", json(206, "[]"))).toBe("206 is not documented");
    expect(documented.undocumented("/delay", "post", json(200, "{}"))).toBe("a body is not documented");
    expect(documented.undocumented("/delay", "post", json(400, '{"message":"x"}'))).toContain("error");
  });
});
