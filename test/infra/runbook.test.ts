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
const linked = [workload, runtime].flatMap((stack) =>
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
    ]);
  });
});
