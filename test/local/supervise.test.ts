import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { freePort } from "../../local/ports.ts";
import { childEnvironment } from "../../local/process.ts";
import type { ProcessIdentity } from "../../local/process-identity.ts";
import { supervise } from "../../local/supervise.ts";
import { eventually } from "../support/eventually.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

async function serviceIn(directory: string, script: string) {
  const port = await freePort();
  writeFileSync(join(directory, "main.mjs"), script);
  const trouble: string[] = [];
  const started: ProcessIdentity[] = [];
  const options = {
    name: "service",
    command: process.execPath,
    args: [join(directory, "main.mjs")],
    environment: childEnvironment({ PORT: String(port) }),
    directory,
    log: join(directory, "service.log"),
    ready: `http://127.0.0.1:${port}/`,
    onTrouble: (line: string) => trouble.push(line),
    onStart: (identity: ProcessIdentity) => started.push(identity),
  };
  return { options, trouble, started };
}

const server = `
import { createServer } from "node:http";
createServer((_, response) => response.end("ok")).listen(Number(process.env.PORT), "127.0.0.1");
`;

describe("supervision", () => {
  it("starts a service again that was killed, and tells so in one line", async () => {
    using place = temporaryDirectory();
    const { options, trouble, started } = await serviceIn(place.path, server);
    const service = await supervise(options);
    for (const identity of started) process.kill(identity.pid, "SIGKILL");
    await eventually(
      async () => started.length,
      (starts) => starts === 2,
    );
    expect(trouble).toEqual(["the service ended (SIGKILL) and starts again in 0.2 s"]);
    await service.stop();
    expect(started).toHaveLength(2);
    for (const { pid } of started) expect(() => process.kill(pid, 0)).toThrow("ESRCH");
  });

  it("does not wait longer and longer for one that is killed again and again", async () => {
    using place = temporaryDirectory();
    const { options, trouble, started } = await serviceIn(place.path, server);
    const service = await supervise(options);
    for (let kills = 1; kills <= 3; kills++) {
      process.kill(started.at(-1)?.pid ?? 0, "SIGKILL");
      await eventually(
        async () => started.length,
        (starts) => starts === kills + 1,
      );
    }
    await service.stop();
    expect(trouble.map((line) => /in ([\d.]+) s/.exec(line)?.[1])).toEqual(["0.2", "0.4", "0.5"]);
  });

  it("waits longer and longer for one that cannot start", async () => {
    using place = temporaryDirectory();
    const script = `import { existsSync, writeFileSync } from "node:fs";
      if (existsSync("ran")) process.exit(1);
      writeFileSync("ran", "");${server}`;
    const { options, trouble, started } = await serviceIn(place.path, script);
    const service = await supervise(options);
    process.kill(started[0]?.pid ?? 0, "SIGKILL");
    await eventually(
      async () => trouble.length,
      (lines) => lines === 3,
    );
    await service.stop();
    expect(trouble.map((line) => /in ([\d.]+) s/.exec(line)?.[1])).toEqual(["0.2", "0.4", "0.8"]);
  });

  it("says why a service does not come up", async () => {
    using place = temporaryDirectory();
    const { options } = await serviceIn(
      place.path,
      'console.error(JSON.stringify({ level: "error", message: "PORT is wrong" })); process.exit(1);',
    );
    await expect(supervise(options)).rejects.toThrow(/^the service: it ended at once: PORT is wrong \(its log: .*\)$/);
  });

  it("keeps AWS accounts and settings of ours away from what it starts", async () => {
    using place = temporaryDirectory();
    process.env.AWS_PROFILE = "production";
    const { options } = await serviceIn(
      place.path,
      `import { writeFileSync } from "node:fs"; writeFileSync("env.json", JSON.stringify(process.env));${server}`,
    );
    delete process.env.AWS_PROFILE;
    const service = await supervise(options);
    await service.stop();
    expect(readFileSync(join(place.path, "env.json"), "utf8")).not.toContain("production");
  });
});
