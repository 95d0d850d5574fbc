import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, describe, expect, it } from "@jest/globals";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory();
const children = new Set<ChildProcess>();
afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
  directory[Symbol.dispose]();
});

function start(env: Record<string, string>) {
  const base = { PATH: process.env.PATH ?? "", EVENKEEL_DATA_DIR: join(directory.path, "data"), PORT: "0" };
  const child = spawn(process.execPath, ["sim-server/database/main.ts"], { env: { ...base, ...env } });
  children.add(child);
  return { child, stdout: child.stdout, said: text(child.stderr), exited: once(child, "exit") };
}

/** A cloud that accepts connections and never answers. */
async function silentCloud() {
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address ? address.port : 0;
  return {
    environment: {
      AWS_ENDPOINT_URL: `http://localhost:${port}`,
      AWS_REGION: "us-east-1",
      AWS_ACCESS_KEY_ID: "key",
      AWS_SECRET_ACCESS_KEY: "secret",
      EVENKEEL_QUEUE_URL: `http://localhost:${port}/queue`,
      EVENKEEL_EXECUTIONS_TABLE: "executions",
      EVENKEEL_WINDOWS_TABLE: "windows",
      EVENKEEL_SERVERS_TABLE: "servers",
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

describe("the simulated database's process", () => {
  it.each<[Record<string, string>, string]>([
    [{}, "EVENKEEL_QUEUE_URL is missing; EVENKEEL_EXECUTIONS_TABLE is missing; EVENKEEL_WINDOWS_TABLE is missing"],
    [{ EVENKEEL_SCENARIO: "nope" }, "nope: neither a readable parameter file nor a scenario"],
    [{ PORT: "70000" }, "PORT is wrong"],
    [{ EVENKEEL_SEED: "-1" }, "EVENKEEL_SEED is wrong"],
    [{ EVENKEEL_SERVER_ID: "a b" }, "EVENKEEL_SERVER_ID is wrong"],
  ])(
    "does not start with %j, and says why in one line",
    async (env, message) => {
      const { said, exited } = start(env);
      const [code] = await exited;
      expect(code).not.toBe(0);
      const lines = (await said).trim().split("\n");
      expect(lines).toHaveLength(1);
      expect(JSON.parse(lines[0] ?? "").message).toContain(message);
    },
    20_000,
  );

  it("runs while its cloud is silent, says so, and stops within two seconds", async () => {
    using cloud = await silentCloud();
    const { child, stdout, said, exited } = start({ ...cloud.environment, EVENKEEL_SCENARIO: "five" });
    const url = String((await once(stdout, "data"))[0])
      .trim()
      .replace("listening ", "");
    await new Promise((resolve) => setTimeout(resolve, 7_000));
    const info = await (await fetch(`${url}/server`)).json();
    expect(info).toMatchObject({
      outbox: { trouble: expect.stringMatching(/^the (queue|table) does not answer$/), recordedThrough: 0 },
    });
    expect(JSON.stringify(info)).toMatch(/"executions":[1-9]/);
    const asked = performance.now();
    child.kill("SIGTERM");
    expect(await exited).toEqual([0, null]);
    expect(performance.now() - asked).toBeLessThan(2_000);
    expect(await said).toContain("stopped");
  }, 20_000);
});
