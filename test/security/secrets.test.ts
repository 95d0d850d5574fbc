/** What queries are called and say is nobody's business but the tables': it stands in no log, reason or answer. */
import { describe, expect, it } from "@jest/globals";
import type { DeadLetter } from "../../lambdas/workload/record-executions/dead-letters.ts";
import { parseMessage } from "../../lambdas/workload/record-executions/parse-message.ts";
import { createRecorder } from "../../lambdas/workload/record-executions/recorder.ts";
import { createDocument } from "../../platform/aws.ts";
import { createLog } from "../../platform/log.ts";
import { defaultReach, parseServerUrl } from "../../platform/server-address.ts";
import { createServerApi } from "../../platform/server-api.ts";
import { batchBody, executionRow, windowRow } from "../support/rows.ts";

const secret = "4111-1111-1111-1111-of-Alice";
const text = `select * from cards where number = '${secret}'`;

/** Messages that cannot be recorded as they are, each with the secret in another place. */
const bodies: Readonly<Record<string, string>> = {
  "a message cut off": batchBody("s", "i", 1, [executionRow(1, { queryId: secret })]).slice(0, -1),
  "no JSON at all": text,
  "JSON of something else": JSON.stringify({ query: text, nested: { secret } }),
  "a text": JSON.stringify(text),
  "another format": batchBody("s", "i", 1, [executionRow(1)]).replace("evenkeel.batch/1", secret),
  "an id that is none": batchBody("s", "i", 1, [executionRow(1, { queryId: text })]),
  "an id too long": batchBody("s", "i", 1, [executionRow(1, { executionId: secret.repeat(20) })]),
  "another type": batchBody("s", "i", 1, [{ ...executionRow(1), type: secret }]),
  "a number that is none": batchBody("s", "i", 1, [{ ...executionRow(1), tick: secret }]),
  "one field more": batchBody("s", "i", 1, [{ ...executionRow(1), text }]),
  "an epoch that is none": batchBody("s", "i", 1, [executionRow(1, { epoch: text })]),
  "a window of unknown queries": batchBody("s", "i", 1, [windowRow(1, { queries: [secret], ticks: [[7]] })]),
  "a sequence out of range": batchBody("s", "i", 5, [executionRow(1, { queryId: secret })]),
  "a server id that is none": batchBody(text, "i", 1, [executionRow(1)]),
};

describe("a secret in what queries say", () => {
  it.each(Object.entries(bodies))("is not in the reason: %s", (_, body) => {
    expect(body).toContain("4111");
    const parsed = parseMessage(body);
    const reasons = parsed.type === "foreign" ? [parsed.reason] : parsed.poison.map(({ reason }) => reason);
    expect(reasons).toHaveLength(1);
    expect(reasons[0]).not.toMatch(/4111|Alice|cards/);
  });

  it("is in the dead letter's body alone, and in no log", async () => {
    const lines: string[] = [];
    const letters: DeadLetter[] = [];
    const log = createLog("recorder", (line) => {
      lines.push(line);
    });
    const document = createDocument({ AWS_REGION: "none" });
    const recorder = createRecorder({
      document,
      tables: { executions: "e", windows: "w", servers: "s" },
      deadLetters: async (letter) => {
        letters.push(letter);
      },
      now: () => 0,
      sleep: async () => {},
      random: () => 0,
      warn: log.warn,
    });
    const foreign = Object.values(bodies).filter((body) => parseMessage(body).type === "foreign");
    const messages = foreign.map((body, index) => ({ messageId: `m${index}`, group: "g", body }));
    await recorder.record(messages, new AbortController().signal);
    document.destroy();
    expect(letters.map(({ body }) => body)).toEqual(foreign);
    expect(JSON.stringify(letters.map(({ body: _, ...rest }) => rest))).not.toMatch(/4111|Alice|cards/);
    expect(lines).toHaveLength(foreign.length);
    expect(lines.join()).not.toMatch(/4111|Alice|cards/);
  });

  it("is in no answer and no log of a server", async () => {
    const lines: string[] = [];
    const fault = () => {
      throw new TypeError("a fault of the host's own");
    };
    const host = { queue: fault, resources: fault, delay: fault, place: fault, info: fault, subscribe: fault };
    const token = `${secret}-token`;
    const log = createLog("server", (line) => {
      lines.push(line);
    });
    const app = createServerApi(host, { log, token });
    const headers = { host: "localhost", authorization: `Bearer ${token}` };
    const asked: [string, string, string | undefined][] = [
      ["POST", "/delay", text],
      ["POST", "/delay", JSON.stringify({ id: text, delay: 1 })],
      ["POST", "/delay", JSON.stringify({ id: secret, delay: secret })],
      ["POST", "/delay", JSON.stringify({ id: secret, delay: 1 })],
      ["POST", "/place", JSON.stringify({ fence: secret, placements: [{ id: text, tick: secret }] })],
      ["GET", `/queued?q=${secret}`, undefined],
      ["GET", `/explain?execution=${secret}`, undefined],
    ];
    for (const [method, path, body] of asked) {
      const response = await app.request(path, { method, headers, ...(body !== undefined && { body }) }, {});
      expect(response.status).toBeGreaterThanOrEqual(400);
      expect(await response.text()).not.toMatch(/4111|Alice|cards/);
    }
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.join()).not.toMatch(/4111|Alice|cards/);
  });

  it("is not repeated of an address", () => {
    const told = (url: string) => {
      try {
        return String(parseServerUrl(url, defaultReach));
      } catch (error) {
        return String(error);
      }
    };
    expect(told(`http://user:${secret}@example.org/`)).not.toContain(secret);
    expect(told(`http://${secret}@169.254.169.254/`)).not.toContain(secret);
  });

  it("planted fault: the message of JSON.parse would repeat it", () => {
    const quoted = (body: string) => {
      try {
        return JSON.parse(body);
      } catch (error) {
        return String(error);
      }
    };
    expect(quoted("Alice: 4111")).toMatch(/4111/);
  });
});
