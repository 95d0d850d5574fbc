/**
 * A deployment's life on a real emulator: the version before with data in it, this one over it, changes, the end. In a
 * region of its own of the cloud that all tests share.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { CloudFormationClient, CreateStackCommand } from "@aws-sdk/client-cloudformation";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { SendMessageCommand } from "@aws-sdk/client-sqs";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { cdk } from "../../local/deploy.ts";
import { describeStack, stackName } from "../../local/stack.ts";
import { testCloudKind } from "../../local/temporary-cloud.ts";
import { type Aws, clientOptions, createAws } from "../../platform/aws.ts";
import { environmentOfOutputs, type WorkloadEnvironment } from "../../platform/environment.ts";
import { executionItem, readExecutions } from "../../platform/tables/executions.ts";
import { readState, writeState } from "../../platform/tables/scheduler-state.ts";
import { sharedCloud } from "../support/cloud.ts";
import { eventually } from "../support/eventually.ts";
import { batchBody, executionRow } from "../support/rows.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const region = "eu-west-1";
const runtime = "evenkeel-runtime";
const image = "images.example.com/evenkeel/{service}:1";
const serverId = "upgraded";
const old = executionRow(1);

describe(`a deployment on the ${testCloudKind()} cloud`, () => {
  const directory = temporaryDirectory();
  const assembly = join(directory.path, "cdk.out");
  const shared = sharedCloud();
  const environment = { ...shared, AWS_REGION: region, AWS_DEFAULT_REGION: region };
  const cloud = { environment, endpoint: shared.AWS_ENDPOINT_URL ?? "" };
  let aws: Aws;
  let before: WorkloadEnvironment;

  const deployAll = (...context: string[]) =>
    cdk(cloud, [
      "deploy",
      "--all",
      ...[`image=${image}`, ...context].flatMap((setting) => ["--context", setting]),
      ...["--require-approval", "never", "--method", "direct", "--output", assembly],
    ]);
  const outputs = async (name: string) => (await describeStack(cloud, name))?.outputs ?? {};
  const rows = async () => {
    const { executions } = await readExecutions(
      aws.document,
      before.EVENKEEL_EXECUTIONS_TABLE,
      serverId,
      old.queryId,
      old.executedAt - 1_000,
      old.executedAt + 1_000,
    );
    return executions.map(({ sequence }) => sequence);
  };

  beforeAll(async () => {
    // An emulator's first stack may take longer than our clients wait.
    const formation = new CloudFormationClient({ ...clientOptions(environment), requestHandler: {} });
    const TemplateBody = readFileSync("test/infra/upgrade/workload-0.1.0.json", "utf8");
    await formation.send(
      new CreateStackCommand({ StackName: stackName, TemplateBody, Capabilities: ["CAPABILITY_IAM"] }),
    );
    formation.destroy();
    before = environmentOfOutputs(
      (
        await eventually(
          () => describeStack(cloud),
          (stack) => stack !== undefined,
          100_000,
        )
      )?.outputs ?? {},
    );
    aws = createAws(environment);
    await cdk(cloud, ["bootstrap", `aws://000000000000/${region}`, "--app", ""]);
  }, 120_000);
  afterAll(() => {
    aws?.destroy();
    directory[Symbol.dispose]();
  });

  it("takes over what the version before has written, table for table, and goes on recording", async () => {
    const item = executionItem(serverId, "i", old, 14 * 86_400);
    await aws.document.send(new PutCommand({ TableName: before.EVENKEEL_EXECUTIONS_TABLE, Item: item }));
    await writeState(aws.document, before.EVENKEEL_SCHEDULER_TABLE, serverId, "knobs", { latencyP95Seconds: 3 }, 0);

    await deployAll("serverUrl=https://db.example.com");
    expect(environmentOfOutputs(await outputs(stackName))).toEqual(before);
    expect(await rows()).toEqual([1]);
    expect((await readState(aws.document, before.EVENKEEL_SCHEDULER_TABLE, serverId, "knobs"))?.value).toEqual({
      latencyP95Seconds: 3,
    });
    await aws.sqs.send(
      new SendMessageCommand({
        QueueUrl: before.EVENKEEL_QUEUE_URL,
        MessageBody: batchBody(serverId, "i", 2, [executionRow(2)]),
        MessageGroupId: serverId,
        MessageDeduplicationId: randomUUID(),
      }),
    );
    expect(await eventually(rows, (read) => read.length === 2)).toEqual([1, 2]);
  }, 180_000);

  it("leaves alone what an operator has changed, when it is deployed again after a change", async () => {
    const ssm = new SSMClient(clientOptions(environment));
    const read = async (name: string) => {
      const { Parameter } = await ssm.send(new GetParameterCommand({ Name: `/evenkeel/main/${name}` }));
      return Parameter?.Value;
    };
    expect(await read("main/server-url")).toBe("https://db.example.com");
    await ssm.send(new PutParameterCommand({ Name: "/evenkeel/main/main/band-width", Value: "0.2", Overwrite: true }));

    await deployAll("serverUrl=https://db.example.com", "servers=main,second", "dashboard=true");
    expect(await read("second/band-width")).toBe("unset");
    expect(await read("main/band-width")).toBe("0.2");
    expect(environmentOfOutputs(await outputs(stackName))).toEqual(before);
    expect(await outputs(runtime)).toMatchObject({ ClusterName: expect.any(String), TokenSecret: expect.any(String) });
    expect(await rows()).toEqual([1, 2]);
    ssm.destroy();
  }, 240_000);

  it("goes, and leaves the data behind", async () => {
    await cdk(cloud, ["destroy", "--all", "--force", "--app", assembly]);
    expect(await describeStack(cloud, runtime)).toBeUndefined();
    expect(await describeStack(cloud)).toBeUndefined();
    const dynamo = new DynamoDBClient(clientOptions(environment));
    const { TableNames } = await dynamo.send(new ListTablesCommand({}));
    expect(TableNames).toContain(before.EVENKEEL_EXECUTIONS_TABLE);
    expect(await rows()).toEqual([1, 2]);
    dynamo.destroy();
  }, 180_000);
});
