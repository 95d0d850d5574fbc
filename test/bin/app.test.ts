import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it, jest } from "@jest/globals";

jest.setTimeout(60_000);

const directory = mkdtempSync(join(tmpdir(), "app-"));
afterAll(() => rmSync(directory, { recursive: true }));

/** Runs the app as the CDK does, without bundling. */
function synthesise(context: object) {
  const outdir = mkdtempSync(join(directory, "out-"));
  const { status, stderr } = spawnSync(process.execPath, ["bin/app.ts"], {
    encoding: "utf8",
    env: {
      PATH: process.env.PATH,
      CDK_OUTDIR: outdir,
      CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:bundling-stacks": [], ...context }),
      CDK_DEFAULT_ACCOUNT: "123456789012",
      CDK_DEFAULT_REGION: "eu-central-1",
    },
  });
  const templates = readdirSync(outdir).filter((name) => name.endsWith(".template.json"));
  return { status, stderr, templates };
}

describe("the CDK app", () => {
  it("passes cdk-nag and CloudFormation's schemas for an account and region", () => {
    expect(synthesise({})).toMatchObject({ status: 0, templates: ["evenkeel-workload.template.json"] });
  });

  it("makes a stack of its own for each stage", () => {
    expect(synthesise({ stage: "test" }).templates).toEqual(["evenkeel-workload-test.template.json"]);
  });

  it("says in one line how a stage may be named", () => {
    expect(synthesise({ stage: "Test 1" })).toEqual({
      status: 2,
      stderr: "context stage: a small letter, then up to 20 small letters, digits or '-', as in -c stage=test\n",
      templates: [],
    });
  });
});
