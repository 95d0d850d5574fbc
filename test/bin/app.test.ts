import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, jest } from "@jest/globals";

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "app-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the app as the CDK does, without bundling. */
function synthesise(context: object, region = "eu-central-1") {
  const outdir = mkdtempSync(join(directory, "out-"));
  const { status, stderr } = spawnSync(process.execPath, ["bin/app.ts"], {
    encoding: "utf8",
    env: {
      PATH: process.env.PATH,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:bundling-stacks": [], ...context }),
      CDK_DEFAULT_ACCOUNT: "123456789012",
      CDK_DEFAULT_REGION: region,
    },
  });
  const templates = readdirSync(outdir).filter((name) => name.endsWith(".template.json"));
  return { status, stderr, templates };
}

describe("the CDK app", () => {
  it.each(["eu-central-1", "us-west-2"])("passes cdk-nag and CloudFormation's schemas in %s", (region) => {
    expect(synthesise({ stage: "test" }, region)).toMatchObject({
      status: 0,
      templates: ["evenkeel-runtime-test.template.json", "evenkeel-workload-test.template.json"],
    });
  });

  it("leaves the containers out where asked to, and gives the main stage no suffix", () => {
    expect(synthesise({ runtime: "false" }).templates).toEqual(["evenkeel-workload.template.json"]);
  });

  it("says in one line which setting is wrong", () => {
    expect(synthesise({ stage: "Test 1", servers: "A" })).toEqual({
      status: 2,
      stderr:
        "context stage: a small letter, then up to 20 small letters, digits or '-', as in -c stage=test; " +
        "context servers.0: a small letter, then small letters, digits or '-'\n",
      templates: [],
    });
  });
});
