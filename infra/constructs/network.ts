/** Where containers run. By default public subnets that let nobody in, for a NAT gateway costs more than all the rest. */
import { Validations } from "aws-cdk-lib";
import { GatewayVpcEndpointAwsService, type IVpc, SubnetType, Vpc } from "aws-cdk-lib/aws-ec2";
import type { Construct } from "constructs";
import { byInterface } from "./interfaces.ts";

export function createNetwork(scope: Construct, id: string, { privateSubnets }: { privateSubnets: boolean }): IVpc {
  const open = { name: "public", subnetType: SubnetType.PUBLIC, cidrMask: 20, mapPublicIpOnLaunch: false };
  const closed = { name: "private", subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 20 };
  const vpc = new Vpc(scope, id, {
    // Two zones, for a load balancer wants two.
    maxAzs: 2,
    natGateways: privateSubnets ? 1 : 0,
    subnetConfiguration: privateSubnets ? [open, closed] : [open],
    // Tables and image layers are reached without leaving AWS's network, for nothing.
    gatewayEndpoints: {
      Tables: { service: GatewayVpcEndpointAwsService.DYNAMODB },
      Objects: { service: GatewayVpcEndpointAwsService.S3 },
    },
  });
  Validations.of(vpc).acknowledge({
    id: "AwsSolutions-VPC7",
    reason:
      "No security group lets anyone in but services of this stack: a log of flows would cost more than it tells.",
  });
  return byInterface(vpc);
}
