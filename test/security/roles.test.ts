import { describe, expect, it } from "@jest/globals";
import { grants, synthesise, type Template, templateSchema, unprotected } from "../support/roles.ts";

const templates = synthesise();
const all = grants(templates);

/** Everything that any role may do. Whoever grants more writes it here. */
const expected = `
EstimateRole: dynamodb:BatchWriteItem on QueryCosts
EstimateRole: dynamodb:GetItem on QueryCosts
EstimateRole: dynamodb:PutItem on QueryCosts
EstimateRole: dynamodb:Query on QueryCosts
EstimateRole: dynamodb:Query on ResourceWindows
EstimateRole: dynamodb:Scan on Servers
EstimateRole: dynamodb:UpdateItem on QueryCosts
EstimateRole: events:PutEvents on Bus
EstimateRole: logs:CreateLogStream on EstimateLogs
EstimateRole: logs:PutLogEvents on EstimateLogs
EstimateRole: s3:DeleteObject on State/estimator/*
EstimateRole: s3:GetObject on State/estimator/*
EstimateRole: s3:PutObject on State/estimator/*
RecordConsumerRole: dynamodb:BatchWriteItem on Executions
RecordConsumerRole: dynamodb:BatchWriteItem on ResourceWindows
RecordConsumerRole: dynamodb:PutItem on Servers
RecordConsumerRole: logs:CreateLogStream on RecordConsumerLogs
RecordConsumerRole: logs:PutLogEvents on RecordConsumerLogs
RecordConsumerRole: sqs:ChangeMessageVisibility on RecordQueue
RecordConsumerRole: sqs:DeleteMessage on RecordQueue
RecordConsumerRole: sqs:GetQueueAttributes on RecordDlq
RecordConsumerRole: sqs:GetQueueAttributes on RecordQueue
RecordConsumerRole: sqs:GetQueueUrl on RecordDlq
RecordConsumerRole: sqs:GetQueueUrl on RecordQueue
RecordConsumerRole: sqs:ReceiveMessage on RecordQueue
RecordConsumerRole: sqs:SendMessage on RecordDlq
`;

/** Why a grant holds a `*`. */
const reasons: Readonly<Record<string, string>> = {
  "EstimateRole: s3:DeleteObject on State/estimator/*":
    "States are put under new keys in each run, all with this prefix.",
  "EstimateRole: s3:GetObject on State/estimator/*": "States are put under new keys in each run, all with this prefix.",
  "EstimateRole: s3:PutObject on State/estimator/*": "States are put under new keys in each run, all with this prefix.",
};

/** What ingest must never be able to do. `BatchWriteItem` can also delete: IAM cannot tell its two uses apart. */
const destroys =
  /:(Delete(?!Message\b)|Purge|Scan|Query|Update|Restore|Export|PartiQL|TagResource|SetQueueAttributes|AddPermission|Create(?!LogStream))/i;

const ingestDestroys = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("RecordConsumerRole:") && destroys.test(line));
const unexplained = (lines: readonly string[]) =>
  lines.filter((line) => line.includes("*") && !((reasons[line]?.length ?? 0) > 30));

describe("the roles of the templates", () => {
  it("may do what is written here and nothing else", () => {
    expect(all).toEqual(expected.trim().split("\n"));
  });

  it("hold no * without a written reason, and no reason stands without its *", () => {
    expect(unexplained(all)).toEqual([]);
    expect(Object.keys(reasons).filter((line) => !all.includes(line))).toEqual([]);
  });

  it("let ingest neither delete, scan nor purge", () => {
    expect(all.filter((line) => line.startsWith("RecordConsumerRole:")).length).toBeGreaterThan(5);
    expect(ingestDestroys(all)).toEqual([]);
  });

  it("belong to queues, tables and buckets that refuse plain HTTP and are encrypted", () => {
    const types = templates.flatMap(({ Resources }) => Object.values(Resources).map(({ Type }) => Type));
    const count = (type: string) => types.filter((other) => other === type).length;
    expect([count("AWS::SQS::Queue"), count("AWS::DynamoDB::Table"), count("AWS::S3::Bucket")]).toEqual([2, 5, 1]);
    expect(unprotected(templates)).toEqual([]);
  });
});

describe("planted faults", () => {
  /** The first template with one resource more, or changed. */
  const changed = (change: (resources: Template["Resources"]) => void): Template[] => {
    const copy = templateSchema.parse(structuredClone(templates[0]));
    change(copy.Resources);
    return [copy];
  };
  const policy = (Statement: unknown) => ({
    Type: "AWS::IAM::Policy",
    Properties: { PolicyDocument: { Statement }, Roles: [{ Ref: "RecordConsumerRoleE00D301D" }] },
  });

  it.each([
    ["dynamodb:DeleteItem", "x"],
    ["dynamodb:Scan", "x"],
    ["sqs:PurgeQueue", "x"],
    ["sqs:DeleteQueue", "x"],
    ["dynamodb:UpdateTable", "x"],
  ])("ingest with %s is found", (Action, Resource) => {
    const found = grants(
      changed((resources) => Object.assign(resources, { Extra: policy({ Effect: "Allow", Action, Resource }) })),
    );
    expect(ingestDestroys(found)).toEqual([`RecordConsumerRole: ${Action} on x`]);
    expect(found).not.toEqual(expected.trim().split("\n"));
  });

  it.each([
    ["a policy", { Extra: policy({ Effect: "Allow", Action: ["dynamodb:*"], Resource: "x" }) }],
    ["a resource", { Extra: policy([{ Effect: "Allow", Action: "sqs:SendMessage", Resource: ["*"] }]) }],
    ["an exclusion", { Extra: policy({ Effect: "Allow", NotAction: "iam:PassRole", Resource: "x" }) }],
    ["excluded resources", { Extra: policy({ Effect: "Allow", Action: "sqs:SendMessage", NotResource: "x" }) }],
    [
      "an inline policy",
      {
        Extra: {
          Type: "AWS::IAM::Role",
          Properties: {
            Policies: [{ PolicyDocument: { Statement: { Effect: "Allow", Action: "s3:*", Resource: "x" } } }],
          },
        },
      },
    ],
    [
      "a managed policy",
      { Extra: { Type: "AWS::IAM::Role", Properties: { ManagedPolicyArns: ["arn:aws:iam::aws:policy/X"] } } },
    ],
  ])("a wildcard in %s is found", (_, resources) => {
    expect(unexplained(grants(changed((known) => Object.assign(known, resources))))).toHaveLength(1);
  });

  it("what answers plain HTTP or is not encrypted is found", () => {
    const withAll = (resources: object) => unprotected(changed((known) => Object.assign(known, resources)));
    expect(withAll({ Extra: { Type: "AWS::SQS::Queue", Properties: {} } })).toEqual([
      "Extra answers plain HTTP",
      "Extra is not encrypted",
    ]);
    expect(withAll({ Extra: { Type: "AWS::DynamoDB::Table", Properties: {} } })).toEqual(["Extra answers plain HTTP"]);
    const loose = unprotected(
      changed((resources) => {
        for (const [id, { Type }] of Object.entries(resources)) if (Type.endsWith("Policy")) delete resources[id];
      }),
    );
    expect(loose.filter((line) => line.endsWith("answers plain HTTP"))).toHaveLength(3);
  });
});
