/** Clients of the AWS services, real or emulated, with time-outs: the SDK by itself waits for ever on a half-open peer. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient } from "@aws-sdk/client-eventbridge";
import { S3Client } from "@aws-sdk/client-s3";
import { SQSClient } from "@aws-sdk/client-sqs";
import { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";

/** `process.env`, or what stands for it: the standard AWS variables are read from here, so that one process can talk to several clouds. */
export type AwsEnvironment = Readonly<Record<string, string | undefined>>;

export interface Aws {
  readonly sqs: SQSClient;
  readonly document: DynamoDBDocumentClient;
  readonly s3: S3Client;
  readonly eventBridge: EventBridgeClient;
  /** Closes the connections. */
  destroy(): void;
}

/** A client for each service that the loop uses. */
export function createAws(env: AwsEnvironment): Aws {
  const sqs = createSqs(env);
  const document = createDocument(env);
  const s3 = createS3(env);
  const eventBridge = createEventBridge(env);
  return {
    sqs,
    document,
    s3,
    eventBridge,
    destroy() {
      for (const client of [sqs, document, s3, eventBridge]) client.destroy();
    },
  };
}

export function createSqs(env: AwsEnvironment): SQSClient {
  return new SQSClient(clientOptions(env));
}

export function createDocument(env: AwsEnvironment): DynamoDBDocumentClient {
  return DynamoDBDocumentClient.from(new DynamoDBClient(clientOptions(env)), {
    marshallOptions: { removeUndefinedValues: true },
  });
}

export function createS3(env: AwsEnvironment): S3Client {
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL;
  return new S3Client({ ...clientOptions(env), ...(endpoint ? { endpoint, forcePathStyle: true } : {}) });
}

export function createEventBridge(env: AwsEnvironment): EventBridgeClient {
  return new EventBridgeClient(clientOptions(env));
}

/** What every client is made with. */
export function clientOptions(env: AwsEnvironment) {
  const endpoint = env.AWS_ENDPOINT_URL;
  const region = env.AWS_REGION ?? env.AWS_DEFAULT_REGION;
  const accessKeyId = env.AWS_ACCESS_KEY_ID;
  const secretAccessKey = env.AWS_SECRET_ACCESS_KEY;
  const sessionToken = env.AWS_SESSION_TOKEN;
  return {
    ...(endpoint ? { endpoint } : {}),
    ...(region ? { region } : {}),
    ...(accessKeyId && secretAccessKey
      ? { credentials: { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) } }
      : {}),
    maxAttempts: 4,
    requestHandler: { connectionTimeout: 2_000, requestTimeout: 10_000, throwOnRequestTimeout: true },
  };
}
