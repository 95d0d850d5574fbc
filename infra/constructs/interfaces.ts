import type { IVpc, Vpc } from "aws-cdk-lib/aws-ec2";
import type { Cluster, ICluster } from "aws-cdk-lib/aws-ecs";
import type { ISecret, Secret } from "aws-cdk-lib/aws-secretsmanager";

/** The construct by its interface: under `exactOptionalPropertyTypes` CDK's classes do not fit their own interfaces. */
export function byInterface(construct: Vpc): IVpc;
export function byInterface(construct: Cluster): ICluster;
export function byInterface(construct: Secret): ISecret;
export function byInterface(construct: object): unknown {
  return construct;
}
