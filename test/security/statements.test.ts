/** What stands in SQL text is nobody's business: it leaves the gatekeeper in no row, log, answer or message. */
import { describe, expect, it } from "@jest/globals";
import { createLog } from "../../platform/log.ts";
import { createGatekeeperApi } from "../../services/gatekeeper/api.ts";
import { Gatekeeper } from "../../services/gatekeeper/gatekeeper.ts";
import { createIdentities } from "../../services/gatekeeper/identity.ts";
import { Journal } from "../../services/gatekeeper/journal.ts";
import { FakeClock } from "../support/clock.ts";
import { plainIdentities, rowsOf } from "../support/gatekeeper.ts";
import { openTestOutbox } from "../support/outbox.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const secret = "s3cr3t-of-a-customer";
const statements = [
  `select * from t where card = '${secret}'`,
  `selec ${secret} "${secret}"`,
  `update t set x = E'\\'${secret}' -- ${secret}`,
  `do $$ begin perform '${secret}'; end $$`,
  `select '${secret}`,
  `${secret}\0`,
];

/** All that can be seen of a gatekeeper that was told these statements. */
async function seen(names: "ours" | "planted"): Promise<string> {
  using directory = temporaryDirectory();
  const clock = new FakeClock();
  const lines: string[] = [];
  const log = createLog("gatekeeper", (line) => lines.push(line));
  const outbox = openTestOutbox(directory.path, { clock, log });
  const identities =
    names === "ours"
      ? await createIdentities()
      : { ...plainIdentities, identify: () => ({ queryId: secret, trouble: null }) };
  const gatekeeper = new Gatekeeper({
    ...{ serverId: "s", epoch: "e", clockwork: { tickMs: 100, windowTicks: 10, defaultDelayTicks: 3 } },
    ...{ identities, journal: new Journal({ outbox, log }), clock, log },
    outboxInfo: () => ({ ...outbox.state(), lastSentAt: null, trouble: null }),
  });
  const events: unknown[] = [];
  gatekeeper.subscribe((event) => events.push(event));
  const token = "the-token-of-this-test";
  const app = createGatekeeperApi(gatekeeper, identities, { log, token });
  const answers: string[] = [];
  const ask = async (method: string, path: string, body?: unknown) => {
    const headers = { host: "localhost", authorization: `Bearer ${token}` };
    const text = typeof body === "string" ? body : JSON.stringify(body);
    const answer = await app.request(path, { method, headers, ...(body !== undefined && { body: text }) }, {});
    answers.push(await answer.text());
  };
  const each = (value: number) => statements.map(() => value);
  const batch = {
    ...{ process: "p", application: "a", database: "d", role: "r", mode: "enforce", number: 1 },
    statements: statements.map((sql) => ({ sql, length: sql.length })),
    events: statements.map((_, statement) => ({
      ...{ type: "queued", id: `q${statement}`, statement, agoMs: 0, withinMs: 400, shadow: false },
    })),
    executions: {
      ...{ number: [...statements.keys()], statement: [...statements.keys()], heldMs: each(0) },
      ...{ agoMs: each(20), durationMs: each(20) },
    },
  };
  await ask("POST", "/gate", batch);
  await ask("POST", "/gate", { ...batch, events: [{ type: secret }], statements: [{ sql: 5 }] });
  await ask("POST", "/gate", `{"statements": "${secret}`);
  await ask("POST", "/identify", { database: "d", role: "r", statements: batch.statements });
  for (let tick = 0; tick < 80; tick++) {
    clock.stall(100);
    gatekeeper.advance();
  }
  for (const path of ["/statements", "/queued", "/server"]) await ask("GET", path);
  const rows = rowsOf(outbox);
  outbox.close();
  expect(rows.filter(({ type }) => type === "execution")).toHaveLength(2 * statements.length);
  expect(answers.length).toBe(7);
  return JSON.stringify([lines, rows, events, answers]);
}

describe("SQL text", () => {
  it("leaves nothing of its constants, and nothing at all where it does not parse", async () => {
    expect(await seen("ours")).not.toContain(secret);
  });

  it("planted fault: a name that repeats the text is seen", async () => {
    expect(await seen("planted")).toContain(secret);
  });
});
