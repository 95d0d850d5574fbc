/** The simulated database as a process, against a real emulator: killed at any moment, and robbed of its tables. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { DeleteCommand, type DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { afterAll, describe, expect, it } from "@jest/globals";
import { compare } from "../../../bench/capture/compare.ts";
import { createDocument } from "../../../platform/aws.ts";
import { scan } from "../../../platform/tables/query.ts";
import { type ServerInfo, serverInfo } from "../../../platform/wire.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const serverId = "killed";
const environment = sharedCloud();
const directory = temporaryDirectory();
const ledgerFile = join(directory.path, "ledger.log");

afterAll(() => directory[Symbol.dispose]());

interface Server {
  readonly child: ChildProcess;
  readonly url: string;
  info(): Promise<ServerInfo>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

async function start(more: Record<string, string> = {}): Promise<Server> {
  const env = {
    ...process.env,
    ...environment,
    EVENKEEL_SERVER_ID: serverId,
    EVENKEEL_SCENARIO: "five",
    EVENKEEL_DATA_DIR: directory.path,
    PORT: "0",
    ...more,
  };
  const child = spawn(process.execPath, ["sim-server/database/main.ts"], { env, stdio: ["ignore", "pipe", "inherit"] });
  const lines = createInterface({ input: child.stdout });
  const [line] = await once(lines, "line");
  const url = String(line).replace("listening ", "");
  return {
    child,
    url,
    info: async () => serverInfo.parse(await (await fetch(`${url}/server`)).json()),
    async kill(signal) {
      const exited = once(child, "exit");
      child.kill(signal);
      await exited;
    },
  };
}

async function untilRecorded(server: Server): Promise<ServerInfo> {
  const target = await server.info();
  for (let attempt = 0; attempt < 300; attempt++) {
    const { outbox } = await server.info();
    if (outbox.incarnation === target.outbox.incarnation && outbox.recordedThrough >= target.outbox.lastSequence)
      return target;
    await sleep(200);
  }
  throw new Error("not recorded within a minute");
}

async function lostAndDuplicated() {
  const document = createDocument(environment);
  const found = await compare(document, environment.EVENKEEL_EXECUTIONS_TABLE, serverId, ledgerFile);
  document.destroy();
  return found;
}

/** Rows, receipts, everything of this server. */
async function* itemsOf(document: DynamoDBDocumentClient, table: string) {
  for await (const item of scan(document, table)) if (String(item.key).startsWith(`${serverId}#`)) yield item;
}

describe("the simulated database", () => {
  it("loses nothing and records nothing twice when it is killed again and again", async () => {
    for (const lifeMs of [300, 700, 1_500, 2_500, 4_000]) {
      const server = await start();
      await sleep(lifeMs);
      await server.kill("SIGKILL");
    }
    const server = await start();
    await sleep(2_000);
    const { outbox } = await untilRecorded(server);
    expect(outbox.lastSequence).toBeGreaterThan(300);
    // What ran since is not recorded yet: it must stop first.
    await server.kill("SIGTERM");
    const last = await start({ EVENKEEL_SCENARIO: join(import.meta.dirname, "..", "..", "support", "idle.json") });
    await untilRecorded(last);
    const { lost, duplicated } = await lostAndDuplicated();
    expect(lost).toBe(0);
    // At most the last tick before each kill is recorded and not in the ledger.
    expect(duplicated).toBeLessThanOrEqual(5 * 30);
    await last.kill("SIGTERM");
    expect(last.child.exitCode).toBe(0);
  }, 120_000);

  it("fills a table again that lost everything", async () => {
    const before = await lostAndDuplicated();
    const document = createDocument(environment);
    const TableName = environment.EVENKEEL_EXECUTIONS_TABLE;
    for await (const { key, at } of itemsOf(document, TableName)) {
      await document.send(new DeleteCommand({ TableName, Key: { key, at } }));
    }
    document.destroy();
    expect((await lostAndDuplicated()).lost).toBeGreaterThan(200);
    const server = await start({ EVENKEEL_SCENARIO: join(import.meta.dirname, "..", "..", "support", "idle.json") });
    for (let attempt = 0; attempt < 100 && (await lostAndDuplicated()).lost > 0; attempt++) await sleep(500);
    expect(await lostAndDuplicated()).toEqual(before);
    await server.kill("SIGTERM");
  }, 120_000);

  it("refuses in one line to share its outbox", async () => {
    const server = await start();
    const second = spawn(process.execPath, ["sim-server/database/main.ts"], {
      env: {
        ...process.env,
        ...environment,
        EVENKEEL_SERVER_ID: serverId,
        EVENKEEL_DATA_DIR: directory.path,
        PORT: "0",
      },
      stdio: ["ignore", "inherit", "pipe"],
    });
    let said = "";
    second.stderr.on("data", (data) => {
      said += data;
    });
    const [code] = await once(second, "exit");
    expect(code).toBe(1);
    expect(said.trim().split("\n")).toHaveLength(1);
    expect(JSON.parse(said).message).toMatch(/outbox.sqlite belongs to another running process/);
    await server.kill("SIGTERM");
  }, 60_000);
});
