import { afterAll, describe, expect, it } from "@jest/globals";
import { type App, Stack, Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Effect, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { AwsSolutionsChecks } from "cdk-nag";
import { stackOutputs } from "../../platform/environment.ts";
import { broadGrants } from "../support/grants.ts";
import { newApp, newStacks } from "../support/stacks.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const newStack = (app: App, context?: Readonly<Record<string, unknown>>) => newStacks(app, context).workload;

const template = Template.fromStack(newStack(newApp(directory.path)));

describe("the workload stack", () => {
  it("is what it was, unless the snapshot is updated on purpose", () => {
    const text = JSON.stringify(template.toJSON()).replaceAll(/[0-9a-f]{64}/g, "asset-hash");
    expect(JSON.parse(text)).toMatchSnapshot();
  });

  it("has an output for each variable of the environment", () => {
    const outputs = Object.keys(template.findOutputs("*")).filter((name) => !name.startsWith("ExportsOutput"));
    expect(outputs.sort()).toEqual(Object.keys(stackOutputs).sort());
  });

  it("delivers at most 10 messages at a time, takes partial answers, and hides messages for six time-outs", () => {
    template.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
      BatchSize: 10,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    });
    template.hasResourceProperties("AWS::Lambda::Function", {
      Timeout: 20,
      Environment: { Variables: { EVENKEEL_DLQ_URL: Match.anyValue() } },
    });
    template.hasResourceProperties("AWS::SQS::Queue", {
      FifoQueue: true,
      DeduplicationScope: "messageGroup",
      FifoThroughputLimit: "perMessageGroupId",
      VisibilityTimeout: 120,
      RedrivePolicy: { maxReceiveCount: 5 },
    });
    template.allResourcesProperties("AWS::SQS::Queue", {
      MessageRetentionPeriod: 14 * 86_400,
      SqsManagedSseEnabled: true,
    });
  });

  it("keeps every table on demand, restorable, expiring and out of reach of a stack's deletion", () => {
    template.resourceCountIs("AWS::DynamoDB::Table", 5);
    template.allResources("AWS::DynamoDB::Table", {
      DeletionPolicy: "Retain",
      UpdateReplacePolicy: "Retain",
      Properties: Match.objectLike({
        BillingMode: "PAY_PER_REQUEST",
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
        TimeToLiveSpecification: { AttributeName: "expiresAt", Enabled: true },
      }),
    });
  });

  it("refuses queue and bucket requests without TLS", () => {
    const policies = {
      ...template.findResources("AWS::SQS::QueuePolicy"),
      ...template.findResources("AWS::S3::BucketPolicy"),
    };
    expect(Object.keys(policies)).toHaveLength(3);
    for (const policy of Object.values(policies)) {
      expect(JSON.stringify(policy)).toContain('"Condition":{"Bool":{"aws:SecureTransport":"false"}},"Effect":"Deny"');
    }
  });

  it("runs the functions on arm64 and Node.js 24, with logs that go after a month", () => {
    template.resourceCountIs("AWS::Lambda::Function", 2);
    template.allResourcesProperties("AWS::Lambda::Function", { Runtime: "nodejs24.x", Architectures: ["arm64"] });
    template.resourceCountIs("AWS::Logs::LogGroup", 2);
    template.allResourcesProperties("AWS::Logs::LogGroup", { RetentionInDays: 30 });
  });

  it("estimates every minute and on request", () => {
    template.hasResourceProperties("AWS::Events::Rule", { ScheduleExpression: "rate(1 minute)" });
    template.hasResourceProperties("AWS::Events::Rule", {
      EventPattern: { source: ["evenkeel"], "detail-type": ["EstimateRequested"] },
    });
  });

  it("lets data go with the stack only where asked to", () => {
    const fleeting = Template.fromStack(newStack(newApp(directory.path), { keepData: false }));
    for (const type of ["AWS::DynamoDB::Table", "AWS::SQS::Queue"]) {
      fleeting.allResources(type, { DeletionPolicy: "Delete" });
      template.allResources(type, { DeletionPolicy: Match.stringLikeRegexp("Retain") });
    }
  });

  it("has a dashboard and mails alarms where asked to", () => {
    template.resourceCountIs("AWS::CloudWatch::Dashboard", 0);
    const more = Template.fromStack(
      newStack(newApp(directory.path), { dashboard: true, alarmEmail: "ops@example.com" }),
    );
    more.hasResourceProperties("AWS::CloudWatch::Dashboard", { DashboardName: "evenkeel-main" });
    more.hasResourceProperties("AWS::SNS::Subscription", { Protocol: "email", Endpoint: "ops@example.com" });
    more.allResourcesProperties("AWS::CloudWatch::Alarm", { AlarmActions: [Match.anyValue()] });
  });
});

describe("least privilege", () => {
  it("grants one wildcard, the keys of estimator states", () => {
    expect(broadGrants(template.toJSON())).toEqual([
      {
        action: "s3:DeleteObject",
        resource: '{"Fn::Join":["",[{"Fn::GetAtt":["State1C20CC9A","Arn"]},"/estimator/*"]]}',
      },
      { action: "s3:GetObject", resource: '{"Fn::Join":["",[{"Fn::GetAtt":["State1C20CC9A","Arn"]},"/estimator/*"]]}' },
      { action: "s3:PutObject", resource: '{"Fn::Join":["",[{"Fn::GetAtt":["State1C20CC9A","Arn"]},"/estimator/*"]]}' },
    ]);
  });

  it("would notice a grant of everything", () => {
    const stack = new Stack(newApp(directory.path), "Loose");
    const role = new Role(stack, "Role", { assumedBy: new ServicePrincipal("lambda.amazonaws.com") });
    role.addToPolicy(new PolicyStatement({ effect: Effect.ALLOW, actions: ["dynamodb:*"], resources: ["arn:aws:x"] }));
    role.addToPolicy(new PolicyStatement({ effect: Effect.ALLOW, actions: ["sqs:SendMessage"], resources: ["*"] }));
    expect(broadGrants(Template.fromStack(stack).toJSON())).toEqual([
      { action: "dynamodb:*", resource: '"arn:aws:x"' },
      { action: "sqs:SendMessage", resource: '"*"' },
    ]);
  });
});

describe("cdk-nag", () => {
  const check = (app: App): void => {
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    app.synth();
  };

  it("finds nothing", () => {
    const app = newApp(directory.path);
    newStack(app);
    expect(() => check(app)).not.toThrow();
  });

  it("would find a bucket without TLS", () => {
    const app = newApp(directory.path);
    new Bucket(newStack(app), "Loose");
    expect(() => check(app)).toThrow("AwsSolutions-S10");
  });
});
