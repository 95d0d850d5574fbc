import { readFileSync } from "node:fs";
import { afterAll, describe, expect, it } from "@jest/globals";
import { Template } from "aws-cdk-lib/assertions";
import { z } from "zod";
import { newApp, newStacks } from "../support/stacks.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const alarm = z.object({ Properties: z.object({ AlarmDescription: z.string() }) });
const runbook = readFileSync("docs/runbook.md", "utf8");

/** Anchors as they are made of headings, of sections that are about an alarm. */
const sections = [...runbook.matchAll(/^## (.+)\n\n(\*Alarm: )?/gm)].flatMap(([, title = "", alarmed]) =>
  alarmed ? [title.toLowerCase().replaceAll(" ", "-")] : [],
);

const { workload, runtime } = newStacks(newApp(directory.path));
const { runtime: shared } = newStacks(newApp(directory.path), { schedulers: 2 });
const linked = [workload, runtime, shared].flatMap((stack) =>
  Object.values(Template.fromStack(stack).findResources("AWS::CloudWatch::Alarm")).map((resource) => {
    const { AlarmDescription } = alarm.parse(resource).Properties;
    return /\. See docs\/runbook\.md#([a-z-]+)$/.exec(AlarmDescription)?.[1] ?? AlarmDescription;
  }),
);

describe("the runbook", () => {
  it("has a section for each alarm, and an alarm for each section that says so", () => {
    expect([...new Set(linked)].sort()).toEqual(sections.sort());
  });

  it("would be missed", () => {
    expect(sections).not.toContain("the-outbox-is-full");
    expect(sections.length).toBeGreaterThan(6);
  });

  it("watches all that matters", () => {
    expect([...new Set(linked)].sort()).toEqual([
      "dead-letters",
      "estimates-fail",
      "estimates-stale",
      "no-lease",
      "nothing-recorded",
      "out-of-band",
      "queue-stuck",
      "recorder-fails",
      "schedulers-busy",
      "servers-away",
    ]);
  });
});

const known = z
  .object({ commands: z.record(z.string(), z.array(z.string())) })
  .parse(JSON.parse(readFileSync("test/infra/aws-commands.json", "utf8"))).commands;
const globalOptions = ["output", "profile", "query", "region"];

interface AwsCommand {
  readonly text: string;
  /** `service operation`. */
  readonly operation: string;
  readonly options: readonly string[];
}

/** Every `aws` command in the code of a document, also those within others. */
function awsCommands(document: string): AwsCommand[] {
  const code = [...document.matchAll(/```\n([\s\S]*?)```|`([^`]+)`/g)].map(([, block, span]) => block ?? span ?? "");
  return code.flatMap((text) =>
    text.split(/\b(?=aws [a-z0-9-]+ [a-z-]+)/).flatMap((part) => {
      const [, operation] = /^aws ([a-z0-9-]+ [a-z-]+)/.exec(part) ?? [];
      if (operation === undefined) return [];
      // What is quoted is no option, and what another program is told is not this one's.
      const own = part.replaceAll(/'[^']*'|"[^"]*"/g, "''").split(/[;|)]/)[0] ?? "";
      const options = [...own.matchAll(/--([a-z-]+)/g)].map(([, option = ""]) => option);
      return [{ text: part.trim(), operation, options }];
    }),
  );
}

/** What the aws command would not take. */
function refused({ operation, options }: AwsCommand): string[] {
  const taken = known[operation];
  if (!taken) return [`aws ${operation} is not among test/infra/aws-commands.json`];
  return options.filter((option) => !taken.includes(option) && !globalOptions.includes(option));
}

describe("the aws commands of the documents", () => {
  const documents = ["README.md", "docs/runbook.md", "docs/deploy.md", "docs/security.md"];
  const commands = documents.flatMap((document) => awsCommands(readFileSync(document, "utf8")));

  it("name operations and options that there are", () => {
    expect(commands.flatMap((command) => refused(command).map((wrong) => [command.text, wrong]))).toEqual([]);
    expect(new Set(commands.map(({ operation }) => operation)).size).toBeGreaterThan(12);
  });

  it("planted faults: an operation, an option and one within another command are found", () => {
    const wrong = awsCommands(
      "`aws sqs recieve-message`, `aws ssm put-parameter --nam x`, `aws logs filter-log-events --log-group-name $(aws ecs list-services --clusters x)`",
    );
    expect(wrong.map(refused)).toEqual([
      ["aws sqs recieve-message is not among test/infra/aws-commands.json"],
      ["nam"],
      [],
      ["clusters"],
    ]);
  });

  it("name tables, queues and the rest by variables that there are", () => {
    const outputs = [workload, runtime].flatMap((stack) => Object.keys(Template.fromStack(stack).findOutputs("*")));
    const names = new Set(outputs.map((output) => `EVENKEEL${output.replaceAll(/[A-Z]/g, "_$&").toUpperCase()}`));
    const used = [...runbook.matchAll(/\$(EVENKEEL_[A-Z_]+)/g)].map(([, name = ""]) => name);
    expect(used.filter((name) => !names.has(name))).toEqual([]);
    expect(used.length).toBeGreaterThan(4);
  });
});
