import { readFileSync } from "node:fs";
import { describe, expect, it } from "@jest/globals";
import { readSettings, serversOf, settingsSchema } from "../../infra/settings.ts";

const read = (given: Readonly<Record<string, unknown>>) => readSettings((name) => given[name]);

describe("the settings of a deployment", () => {
  it("have defaults, and take texts as the command line gives them", () => {
    expect(read({})).toMatchObject({ stage: "main", servers: ["main"], runtime: true, keepData: true, demo: false });
    const settings = read({ servers: "a, b", demo: "true", keepData: "false" });
    expect(settings).toMatchObject({ servers: ["a", "b"], demo: true, keepData: false });
    if (!("wrong" in settings)) expect(serversOf(settings)).toEqual(["a", "b", "demo"]);
  });

  it("are refused in one line that names each", () => {
    expect(read({ demo: "yes", tap: "ftp://x" })).toEqual({
      wrong: expect.stringMatching(/^context demo: .*; context tap: [^\n]*$/),
    });
  });

  it("refuse more servers than a stack can hold", () => {
    const servers = (count: number) => Array.from({ length: count }, (_, index) => `s${index}`).join(",");
    expect(read({ servers: servers(30) })).toMatchObject({ stage: "main" });
    expect(read({ servers: servers(17), console: true })).toEqual({
      wrong: "context servers: at most 16: a stack holds 500 resources; take another stage for more",
    });
  });

  it("are all described in docs/deploy.md", () => {
    const guide = readFileSync("docs/deploy.md", "utf8");
    for (const name of Object.keys(settingsSchema.shape)) expect(guide).toContain(`| \`${name}\` |`);
  });
});
