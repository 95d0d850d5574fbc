import { mkdirSync } from "node:fs";
import { startEmbedded } from "./embedded.ts";
import { startLocalstack } from "./localstack.ts";
import type { Child, Environment } from "./process.ts";

export const cloudKinds = ["embedded", "localstack"] as const;
export type CloudKind = (typeof cloudKinds)[number];

export interface CloudOptions {
  readonly kind: CloudKind;
  readonly port: number;
  /** For state, logs and temporary files; one cloud a directory. */
  readonly directory: string;
  /** Whether the embedded cloud keeps its state over a clean stop. LocalStack never does. */
  readonly persist?: boolean;
  /** Where the embedded cloud's functions find AWS, if not there itself: tests put a faulty network between. */
  readonly functionsEndpoint?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A cloud on this machine. Several may run at once, on ports and in directories of their own. */
export interface Cloud {
  readonly kind: CloudKind;
  readonly endpoint: string;
  /** What AWS clients and the CDK need to use it, and nothing else by mistake. */
  readonly environment: Environment;
  /** The emulator's process where it is a child of this one. */
  readonly child: Child | undefined;
  stop(): Promise<void>;
}

/** @throws LocalError when it cannot be started */
export async function startCloud(options: CloudOptions): Promise<Cloud> {
  mkdirSync(options.directory, { recursive: true });
  const cloud = await (options.kind === "embedded" ? startEmbedded(options) : startLocalstack(options));
  const environment = {
    AWS_ENDPOINT_URL: cloud.endpoint,
    AWS_ENDPOINT_URL_S3: cloud.endpoint,
    AWS_REGION: "us-east-1",
    AWS_DEFAULT_REGION: "us-east-1",
    // The CDK remembers the account of an access key, so each emulator has a key of its own.
    AWS_ACCESS_KEY_ID: `evenkeel${options.kind}`,
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_EC2_METADATA_DISABLED: "true",
  };
  return { ...cloud, environment };
}
