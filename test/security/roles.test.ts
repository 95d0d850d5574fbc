import { describe, expect, it } from "@jest/globals";
import { condensed, grants, synthesise, type Template, templateSchema, unprotected } from "../support/roles.ts";

const templates = synthesise({ demo: true, tap: "https://db.example.com", console: true });
const all = grants(templates);

/** Everything that any role may do. Whoever grants more writes it here. */
const expected = `
DemoTaskExecutionRole: *: ecr:GetAuthorizationToken
DemoTaskExecutionRole: DemoLogs: logs:CreateLogStream, logs:PutLogEvents
DemoTaskExecutionRole: Token: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue
DemoTaskExecutionRole: its images: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer
DemoTaskTaskRole: DemoDataFiles: elasticfilesystem:ClientMount, elasticfilesystem:ClientWrite
DemoTaskTaskRole: Executions: dynamodb:Query
DemoTaskTaskRole: RecordQueue: sqs:SendMessage
DemoTaskTaskRole: ResourceWindows: dynamodb:Query
DemoTaskTaskRole: Servers: dynamodb:PutItem
EstimateRole: Bus: events:PutEvents
EstimateRole: EstimateLogs: logs:CreateLogStream, logs:PutLogEvents
EstimateRole: QueryCosts: dynamodb:BatchWriteItem, dynamodb:GetItem, dynamodb:PutItem, dynamodb:Query, dynamodb:UpdateItem
EstimateRole: ResourceWindows: dynamodb:Query
EstimateRole: Servers: dynamodb:Scan
EstimateRole: State/estimator/*: s3:DeleteObject, s3:GetObject, s3:PutObject
RecordConsumerRole: Executions: dynamodb:BatchWriteItem
RecordConsumerRole: RecordConsumerLogs: logs:CreateLogStream, logs:PutLogEvents
RecordConsumerRole: RecordDlq: sqs:GetQueueAttributes, sqs:GetQueueUrl, sqs:SendMessage
RecordConsumerRole: RecordQueue: sqs:ChangeMessageVisibility, sqs:DeleteMessage, sqs:GetQueueAttributes, sqs:GetQueueUrl, sqs:ReceiveMessage
RecordConsumerRole: ResourceWindows: dynamodb:BatchWriteItem
RecordConsumerRole: Servers: dynamodb:PutItem
TapTaskExecutionRole: *: ecr:GetAuthorizationToken
TapTaskExecutionRole: TapLogs: logs:CreateLogStream, logs:PutLogEvents
TapTaskExecutionRole: TappedServerToken: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue
TapTaskExecutionRole: Token: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue
TapTaskExecutionRole: its images: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer
TapTaskTaskRole: Executions: dynamodb:Query
TapTaskTaskRole: RecordQueue: sqs:SendMessage
TapTaskTaskRole: ResourceWindows: dynamodb:Query
TapTaskTaskRole: Servers: dynamodb:PutItem
TapTaskTaskRole: TapDataFiles: elasticfilesystem:ClientMount, elasticfilesystem:ClientWrite
mainConsoleTaskExecutionRole: *: ecr:GetAuthorizationToken
mainConsoleTaskExecutionRole: Token: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue
mainConsoleTaskExecutionRole: its images: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer
mainConsoleTaskExecutionRole: mainConsoleLogs: logs:CreateLogStream, logs:PutLogEvents
mainConsoleTaskExecutionRole: parameter mainserverurl: ssm:DescribeParameters, ssm:GetParameter, ssm:GetParameterHistory, ssm:GetParameters
mainConsoleTaskTaskRole: Bus: events:PutEvents
mainConsoleTaskTaskRole: Executions: dynamodb:GetItem, dynamodb:Query
mainConsoleTaskTaskRole: QueryCosts: dynamodb:GetItem, dynamodb:Query
mainConsoleTaskTaskRole: RecordDlq: sqs:GetQueueAttributes
mainConsoleTaskTaskRole: RecordQueue: sqs:GetQueueAttributes
mainConsoleTaskTaskRole: ResourceWindows: dynamodb:GetItem, dynamodb:Query
mainConsoleTaskTaskRole: SchedulerState: dynamodb:GetItem, dynamodb:Query
mainConsoleTaskTaskRole: Servers: dynamodb:GetItem, dynamodb:Query
mainSchedulerTaskExecutionRole: *: ecr:GetAuthorizationToken
mainSchedulerTaskExecutionRole: Token: secretsmanager:DescribeSecret, secretsmanager:GetSecretValue
mainSchedulerTaskExecutionRole: its images: ecr:BatchCheckLayerAvailability, ecr:BatchGetImage, ecr:GetDownloadUrlForLayer
mainSchedulerTaskExecutionRole: mainSchedulerLogs: logs:CreateLogStream, logs:PutLogEvents
mainSchedulerTaskTaskRole: Bus: events:PutEvents
mainSchedulerTaskTaskRole: QueryCosts: dynamodb:GetItem, dynamodb:Query
mainSchedulerTaskTaskRole: SchedulerState: dynamodb:GetItem, dynamodb:PutItem
mainSchedulerTaskTaskRole: parameter mainbandwidth: ssm:GetParameters
mainSchedulerTaskTaskRole: parameter mainlatencyp95seconds: ssm:GetParameters
mainSchedulerTaskTaskRole: parameter mainserverurl: ssm:GetParameters
`;

/** Why a grant holds a `*`. */
const reasons: Readonly<Record<string, string>> = {
  "EstimateRole: s3:DeleteObject on State/estimator/*":
    "States are put under new keys in each run, all with this prefix.",
  "EstimateRole: s3:GetObject on State/estimator/*": "States are put under new keys in each run, all with this prefix.",
  "EstimateRole: s3:PutObject on State/estimator/*": "States are put under new keys in each run, all with this prefix.",
};

const signIn = "TaskExecutionRole: ecr:GetAuthorizationToken on *";
const signInReason = "The action knows no resources: what a token may fetch is granted by repository.";

/** What ingest must never be able to do. `BatchWriteItem` can also delete: IAM cannot tell its two uses apart. */
const destroys =
  /:(Delete(?!Message\b)|Purge|Scan|Query|Update|Restore|Export|PartiQL|TagResource|SetQueueAttributes|AddPermission|Create(?!LogStream))/i;

const ingestDestroys = (lines: readonly string[]) =>
  lines.filter((line) => line.startsWith("RecordConsumerRole:") && destroys.test(line));
const reasonOf = (line: string) => (line.endsWith(signIn) ? signInReason : (reasons[line] ?? ""));
const unexplained = (lines: readonly string[]) =>
  lines.filter((line) => line.includes("*") && reasonOf(line).length < 30);

describe("the roles of the templates", () => {
  it("may do what is written here and nothing else", () => {
    const known = expected.trim().split("\n");
    const perServer = known.filter((line) => line.startsWith("main")).map((line) => line.replaceAll("main", "demo"));
    expect(condensed(all)).toEqual([...known, ...perServer].sort());
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
  /** The recorder's template with one resource more, or changed. */
  const changed = (change: (resources: Template["Resources"]) => void): Template[] => {
    const recorders = templates.find(({ Resources }) => Resources.RecordConsumerRoleE00D301D);
    const copy = templateSchema.parse(structuredClone(recorders));
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
    expect(found).not.toEqual(all);
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
