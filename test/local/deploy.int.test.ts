import { DescribeTimeToLiveCommand, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import { deploy } from "../../local/deploy.ts";
import { startTemporaryCloud, type TemporaryCloud } from "../../local/temporary-cloud.ts";

describe("the deployment to a cloud on this machine", () => {
  let temporary: TemporaryCloud;
  beforeAll(async () => {
    temporary = await startTemporaryCloud();
  }, 120_000);
  afterAll(() => temporary?.stop(), 60_000);

  it("is skipped when the cloud has this very stack", async () => {
    const steps: string[] = [];
    const onStep = (step: string) => steps.push(step);
    const { directory, cloud, environment } = temporary;
    expect(await deploy(cloud, { directory, onStep })).toEqual(environment);
    expect(steps).toEqual([]);
  }, 60_000);

  it("lets rows expire, which the embedded cloud's CloudFormation ignores", async () => {
    const { environment } = temporary;
    const client = new DynamoDBClient({
      endpoint: environment.AWS_ENDPOINT_URL ?? "",
      region: "us-east-1",
      credentials: { accessKeyId: environment.AWS_ACCESS_KEY_ID ?? "", secretAccessKey: "local" },
    });
    for (const name of ["EVENKEEL_EXECUTIONS_TABLE", "EVENKEEL_WINDOWS_TABLE"]) {
      const { TimeToLiveDescription } = await client.send(
        new DescribeTimeToLiveCommand({ TableName: environment[name] }),
      );
      expect(TimeToLiveDescription).toMatchObject({ AttributeName: "expiresAt", TimeToLiveStatus: "ENABLED" });
    }
    client.destroy();
  });
});
