/** One container that runs for ever: non-root, read-only, arm64, reachable by nobody until a rule is added. */
import { fileURLToPath } from "node:url";
import { Duration, RemovalPolicy, Validations } from "aws-cdk-lib";
import { type IConnectable, type IVpc, Port, SecurityGroup, SubnetType } from "aws-cdk-lib/aws-ec2";
import { Platform } from "aws-cdk-lib/aws-ecr-assets";
import {
  ContainerImage,
  CpuArchitecture,
  FargateService,
  FargateTaskDefinition,
  type ICluster,
  LogDrivers,
  OperatingSystemFamily,
  type Secret,
} from "aws-cdk-lib/aws-ecs";
import type { IRole } from "aws-cdk-lib/aws-iam";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { DurableDirectory } from "./durable-directory.ts";

export interface ContainerServiceProps {
  readonly vpc: IVpc;
  readonly cluster: ICluster;
  /** A stage of the Dockerfile. */
  readonly service: string;
  /** Images built elsewhere, with `{service}` in the address. */
  readonly image?: string | undefined;
  readonly environment: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, Secret>>;
  /** How many of them run; one by default. */
  readonly count?: number;
  /** Of each: CPU units of 1/1024 core, and MiB. */
  readonly size?: { readonly cpu: number; readonly memoryLimitMiB: number };
  readonly port: number;
  /** Answers 200 while all is well. */
  readonly healthPath: string;
  /** Its name within the network; undefined when nobody asks for it. */
  readonly name?: string | undefined;
  /** Whether /data outlives the container. Then there is never more than one: what lies there belongs to one process. */
  readonly durable?: boolean;
  readonly removalPolicy: RemovalPolicy;
}

const root = fileURLToPath(new URL("../../", import.meta.url));
/** Read by no service: what changes there makes no new image. */
const notInImages = ["bin", "infra", "lambdas", "local", "cdk.json", "tsconfig.json"];

export class ContainerService extends Construct {
  readonly service: FargateService;
  /** What the container may do; nothing until granted. */
  readonly role: IRole;
  readonly port: number;

  constructor(scope: Construct, id: string, props: ContainerServiceProps) {
    super(scope, id);
    this.port = props.port;
    const task = new FargateTaskDefinition(this, "Task", {
      ...(props.size ?? { cpu: 256, memoryLimitMiB: 512 }),
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.ARM64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    });
    this.role = task.taskRole;
    const logGroup = new LogGroup(this, "Logs", {
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const container = task.addContainer("Main", {
      image: props.image
        ? ContainerImage.fromRegistry(props.image.replaceAll("{service}", props.service))
        : ContainerImage.fromAsset(root, {
            target: props.service,
            exclude: notInImages,
            platform: Platform.LINUX_ARM64,
          }),
      environment: { ...props.environment },
      secrets: { ...props.secrets },
      portMappings: [{ containerPort: props.port }],
      logging: LogDrivers.awsLogs({ logGroup, streamPrefix: props.service }),
      user: "node",
      readonlyRootFilesystem: true,
      stopTimeout: Duration.seconds(10),
      // In its place, within seconds: a new task takes a minute.
      enableRestartPolicy: true,
      restartAttemptPeriod: Duration.seconds(60),
      healthCheck: {
        command: ["CMD", "node", "-e", healthCheck(props.port, props.healthPath)],
        interval: Duration.seconds(30),
        startPeriod: Duration.seconds(30),
        retries: 3,
      },
    });
    const group = new SecurityGroup(this, "Group", { vpc: props.vpc, description: `evenkeel ${props.service}` });
    const open = props.vpc.privateSubnets.length === 0;
    this.service = new FargateService(this, "Service", {
      cluster: props.cluster,
      taskDefinition: task,
      desiredCount: props.count ?? 1,
      securityGroups: [group],
      assignPublicIp: open,
      vpcSubnets: { subnetType: open ? SubnetType.PUBLIC : SubnetType.PRIVATE_WITH_EGRESS },
      // The new one runs before the old one goes; what owns a directory goes first.
      minHealthyPercent: props.durable ? 0 : 100,
      maxHealthyPercent: props.durable ? 100 : 200,
      circuitBreaker: { rollback: true },
      ...(props.name && { cloudMapOptions: { name: props.name, dnsTtl: Duration.seconds(10) } }),
    });
    if (props.durable) {
      const directory = new DurableDirectory(this, "Data", { vpc: props.vpc, removalPolicy: props.removalPolicy });
      directory.mount(task, container, "/data");
      this.service.connections.allowTo(directory, Port.tcp(2049));
      this.service.node.addDependency(directory);
    }
    Validations.of(task).acknowledge(
      {
        id: "AwsSolutions-ECS2",
        reason: "Names of tables and queues, and other settings; what is secret is a secret.",
      },
      { id: "AwsSolutions-IAM5[Resource::*]", reason: "ecr:GetAuthorizationToken knows no resource." },
    );
  }

  /** Lets a service of the same network in. */
  allowFrom(other: IConnectable): void {
    this.service.connections.allowFrom(other, Port.tcp(this.port));
  }
}

function healthCheck(port: number, path: string): string {
  const headers = "{authorization:'Bearer '+process.env.EVENKEEL_TOKEN}";
  return `fetch('http://127.0.0.1:${port}${path}',{headers:${headers}}).then(r=>process.exit(r.ok?0:1),()=>process.exit(1))`;
}
