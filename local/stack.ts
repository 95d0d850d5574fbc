/** What a cloud says about the deployed stack. */
import {
  CloudFormationClient,
  DescribeStackResourcesCommand,
  DescribeStacksCommand,
} from "@aws-sdk/client-cloudformation";
import { DescribeTimeToLiveCommand, DynamoDBClient, UpdateTimeToLiveCommand } from "@aws-sdk/client-dynamodb";
import type { Cloud } from "./cloud.ts";

export const stackName = "evenkeel-workload";
/** The stack's tag that says from which inputs it was deployed. */
export const inputsTag = "evenkeel-inputs";

export interface DeployedStack {
  readonly inputs: string | undefined;
  readonly outputs: Readonly<Record<string, string | undefined>>;
}

function clientOptions({ environment, endpoint }: Pick<Cloud, "environment" | "endpoint">) {
  return {
    endpoint,
    region: environment.AWS_REGION ?? "us-east-1",
    credentials: {
      accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "",
      secretAccessKey: environment.AWS_SECRET_ACCESS_KEY ?? "",
    },
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 30_000, throwOnRequestTimeout: true },
  };
}

/** The stack as the cloud has it; undefined when there is none or its last deployment did not end well. */
export async function describeStack(
  cloud: Pick<Cloud, "environment" | "endpoint">,
  name = stackName,
): Promise<DeployedStack | undefined> {
  const client = new CloudFormationClient(clientOptions(cloud));
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }));
    const stack = Stacks?.[0];
    if (stack?.StackStatus !== "CREATE_COMPLETE" && stack?.StackStatus !== "UPDATE_COMPLETE") return undefined;
    return {
      inputs: stack.Tags?.find(({ Key }) => Key === inputsTag)?.Value,
      outputs: Object.fromEntries(stack.Outputs?.map(({ OutputKey, OutputValue }) => [OutputKey, OutputValue]) ?? []),
    };
  } catch (error) {
    // CloudFormation says so when a stack does not exist.
    if (error instanceof Error && error.name === "ValidationError") return undefined;
    throw error;
  } finally {
    client.destroy();
  }
}

/** Sets the tables' expiry as the template has it: the embedded cloud's CloudFormation ignores it. */
export async function applyTimeToLive(
  cloud: Pick<Cloud, "environment" | "endpoint">,
  attributes: ReadonlyMap<string, string>,
): Promise<void> {
  const formation = new CloudFormationClient(clientOptions(cloud));
  const dynamo = new DynamoDBClient(clientOptions(cloud));
  try {
    const { StackResources } = await formation.send(new DescribeStackResourcesCommand({ StackName: stackName }));
    for (const { LogicalResourceId, PhysicalResourceId } of StackResources ?? []) {
      const attribute = attributes.get(LogicalResourceId ?? "");
      if (attribute === undefined) continue;
      const now = await dynamo.send(new DescribeTimeToLiveCommand({ TableName: PhysicalResourceId }));
      if (now.TimeToLiveDescription?.TimeToLiveStatus === "ENABLED") continue;
      const TimeToLiveSpecification = { Enabled: true, AttributeName: attribute };
      await dynamo.send(new UpdateTimeToLiveCommand({ TableName: PhysicalResourceId, TimeToLiveSpecification }));
    }
  } finally {
    formation.destroy();
    dynamo.destroy();
  }
}
