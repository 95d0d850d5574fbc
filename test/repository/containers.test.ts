import { existsSync, readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { parse } from "yaml";
import { z } from "zod";
import { readStages } from "../support/dockerfile.ts";
import { importsOf } from "../support/imports.ts";

const stages = readStages(readFileSync("Dockerfile", "utf8"));
const dependencies = z
  .object({ dependencies: z.record(z.string(), z.string()) })
  .parse(JSON.parse(readFileSync("package.json", "utf8"))).dependencies;

const within = (copied: readonly string[]) => (file: string) =>
  copied.some((path) => file === path || file.startsWith(`${path}/`));

describe("the Dockerfile", () => {
  it("copies what exists", () => {
    for (const { copied } of stages.values())
      for (const path of copied) expect([path, existsSync(path)]).toEqual([path, true]);
  });

  it.each([
    ["sim-server", "sim-server/database/main.ts"],
    ["scheduler", "services/scheduler/main.ts"],
    ["tap", "services/tap/main.ts"],
    ["gatekeeper", "services/gatekeeper/main.ts"],
    ["sampler", "services/sampler/main.ts"],
    ["console", "services/console/main.ts"],
  ])("gives %s all that it imports, and no right to write outside /data", (name, entry) => {
    const stage = stages.get(name);
    expect(stage?.lines).toContain(`CMD ["node", "${entry}"]`);
    expect(stage?.lines).toContain("USER node");
    const { files, packages } = importsOf(entry);
    expect([...files].filter((file) => !within(stage?.copied ?? [])(file))).toEqual([]);
    expect([...packages].filter((dependency) => !Object.hasOwn(dependencies, dependency))).toEqual([]);
  });

  it("gives the deployment all that the app imports and bundles", () => {
    const copied = stages.get("deploy")?.copied ?? [];
    for (const entry of [
      "bin/app.ts",
      "local/write-environment.ts",
      "lambdas/workload/record-executions.lambda.ts",
      "lambdas/workload/estimate-costs.lambda.ts",
    ]) {
      expect([...importsOf(entry).files].filter((file) => !within(copied)(file))).toEqual([]);
    }
  });

  it("would be caught leaving out a folder", () => {
    const { files } = importsOf("services/scheduler/main.ts");
    expect([...files].filter((file) => !within(["services/scheduler"])(file))).not.toEqual([]);
  });
});

describe("docker-compose.yml", () => {
  const compose = z
    .object({
      services: z.record(
        z.string(),
        z.looseObject({
          image: z.string().optional(),
          build: z.object({ context: z.literal("."), target: z.string() }).optional(),
          command: z.array(z.string()).optional(),
          profiles: z.array(z.string()).default([]),
          pid: z.string().optional(),
          ports: z.array(z.string()).default([]),
          environment: z.record(z.string(), z.unknown()).default({}),
        }),
      ),
    })
    .parse(parse(readFileSync("docker-compose.yml", "utf8"), { merge: true }));

  const named = (profile: string | undefined) =>
    Object.keys(compose.services).filter((name) => compose.services[name]?.profiles[0] === profile);

  it("pins LocalStack, and builds the rest from stages that exist", () => {
    expect(named(undefined)).toEqual(["localstack", "deploy", "sim-server", "scheduler", "console"]);
    expect(named("postgres")).toEqual(["postgres", "gatekeeper", "sampler", "postgres-scheduler", "postgres-console"]);
    expect(compose.services.localstack?.image).toBe("localstack/localstack:4.14.0");
    for (const { build, command } of Object.values(compose.services)) {
      if (build) expect(stages.has(build.target)).toBe(true);
      if (build && command) expect(existsSync(command.at(-1) ?? "")).toBe(true);
    }
  });

  it("has the database register the address that the scheduler asks", () => {
    const { "sim-server": database, scheduler } = compose.services;
    expect(database?.environment.EVENKEEL_ADVERTISED_URL).toBe("http://sim-server:9000");
    expect(scheduler?.environment.EVENKEEL_SERVER_URL).toBe(database?.environment.EVENKEEL_ADVERTISED_URL);
  });

  it("has the sampler see the database's processes, and all ask the gatekeeper by the address that it registers", () => {
    const { gatekeeper, sampler, "postgres-scheduler": scheduler, "postgres-console": console } = compose.services;
    expect(sampler?.pid).toBe("service:postgres");
    const registered = gatekeeper?.environment.EVENKEEL_ADVERTISED_URL;
    expect(registered).toBe("http://gatekeeper:9040");
    expect(sampler?.environment.EVENKEEL_GATEKEEPER_URL).toBe(registered);
    for (const one of [scheduler, console]) expect(one?.environment.EVENKEEL_SERVER_URL).toBe(registered);
  });

  it("publishes on loopback only", () => {
    for (const port of Object.values(compose.services).flatMap(({ ports }) => ports))
      expect(port).toMatch(/^127\.0\.0\.1:/);
  });
});
