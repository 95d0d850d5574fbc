import { DescribeTimeToLiveCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, it } from "@jest/globals";
import { deploy } from "../../local/deploy.ts";
import { clientOptions } from "../../platform/aws.ts";
import { sharedCloud } from "../support/cloud.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("the deployment to a cloud on this machine", () => {
  const environment = sharedCloud();

  it("is skipped when the cloud has this very stack", async () => {
    const steps: string[] = [];
    const onStep = (step: string) => steps.push(step);
    using directory = temporaryDirectory();
    const cloud = { environment, endpoint: environment.AWS_ENDPOINT_URL ?? "" };
    expect(await deploy(cloud, { directory: directory.path, onStep })).toEqual(environment);
    expect(steps).toEqual([]);
  }, 60_000);

  it("lets rows expire, which the embedded cloud's CloudFormation ignores", async () => {
    const client = new DynamoDBClient(clientOptions(environment));
    for (const name of ["EVENKEEL_EXECUTIONS_TABLE", "EVENKEEL_WINDOWS_TABLE"]) {
      const { TimeToLiveDescription } = await client.send(
        new DescribeTimeToLiveCommand({ TableName: environment[name] }),
      );
      expect(TimeToLiveDescription).toMatchObject({ AttributeName: "expiresAt", TimeToLiveStatus: "ENABLED" });
    }
    client.destroy();
  });
});
