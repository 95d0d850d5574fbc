import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";

const refused = [
  ["core/workload/a.ts", "../../platform/clock.ts"],
  ["core/workload/b.ts", "node:fs"],
  ["platform/a.ts", "../core/workload/types.ts"],
  ["platform/tables/b.ts", "../../services/scheduler/main.ts"],
  ["lambdas/workload/a.ts", "../../sim-server/database/engine.ts"],
  ["services/tap/a.ts", "../../infra/workload-stack.ts"],
  ["sim-server/database/a.ts", "../../core/workload/types.ts"],
  ["infra/a.ts", "../platform/aws.ts"],
  ["infra/b.ts", "../lambdas/workload/record-executions.lambda.ts"],
  ["local/a.ts", "../services/scheduler/main.ts"],
  ["cli/a.ts", "../sim-server/database/engine.ts"],
  ["gate/src/a.ts", "../../platform/clock.ts"],
] as const;

const allowed = [
  ["core/workload/c.ts", "./types.ts"],
  ["platform/c.ts", "../core/shared/numbers.ts"],
  ["lambdas/workload/c.ts", "../../core/workload/types.ts"],
  ["services/tap/c.ts", "../../platform/wire.ts"],
  ["sim-server/database/c.ts", "../../platform/wire.ts"],
  ["infra/c.ts", "../platform/environment.ts"],
  ["infra/d.ts", "../lambdas/workload/constants.ts"],
  ["cli/c.ts", "../local/cloud.ts"],
  ["gate/src/c.ts", "./options.ts"],
] as const;

describe("the import rules", () => {
  const root = mkdtempSync(join(tmpdir(), "import-rules-"));
  let report = "";

  beforeAll(() => {
    copyFileSync("biome.json", join(root, "biome.json"));
    for (const [path, target] of [...refused, ...allowed]) {
      mkdirSync(join(root, dirname(path)), { recursive: true });
      writeFileSync(join(root, path), `import { x } from "${target}";\n\nx();\n`);
    }
    const biome = resolve("node_modules/@biomejs/biome/bin/biome");
    const options = ["lint", "--vcs-enabled=false", "--max-diagnostics=none", "--colors=off", "."];
    const run = spawnSync(process.execPath, [biome, ...options], { cwd: root, encoding: "utf8" });
    report = run.stdout + run.stderr;
  });
  afterAll(() => rmSync(root, { recursive: true }));

  it.each(refused)("refuse %s importing %s", (path, _target) => {
    expect(report).toMatch(new RegExp(`${path}:\\d+:\\d+ lint/style/noRestrictedImports`));
  });

  it.each(allowed)("allow %s importing %s", (path, _target) => {
    expect(report).not.toContain(path);
  });
});
