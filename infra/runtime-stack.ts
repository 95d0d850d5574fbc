/** What runs for ever: a scheduler for each server or a fleet for all, and as asked for a demo database, a tap and the console. */
import { CfnOutput, Fn, type RemovalPolicy, Stack, type StackProps, Validations } from "aws-cdk-lib";
import { Cluster, Secret as ContainerSecret } from "aws-cdk-lib/aws-ecs";
import { PolicyStatement } from "aws-cdk-lib/aws-iam";
import { Secret } from "aws-cdk-lib/aws-secretsmanager";
import { StringParameter } from "aws-cdk-lib/aws-ssm";
import { Construct } from "constructs";
import { parameterNames } from "../platform/environment.ts";
import { mailAlarms } from "./constructs/alarm.ts";
import { ContainerService, type ContainerServiceProps } from "./constructs/container-service.ts";
import { byInterface } from "./constructs/interfaces.ts";
import { createNetwork } from "./constructs/network.ts";
import { alarmOfFleet, alarmOfScheduler } from "./constructs/scheduler-alarms.ts";
import { SignInBalancer } from "./constructs/sign-in-balancer.ts";
import { fleetService, type Settings, schedulerService, serversOf } from "./settings.ts";
import type { WorkloadStack } from "./workload-stack.ts";

export interface RuntimeStackProps extends StackProps {
  readonly settings: Settings;
  readonly workload: WorkloadStack;
  readonly removalPolicy: RemovalPolicy;
}

interface Source {
  readonly container: ContainerService;
  readonly url: string;
}

/** The first value of a parameter that an operator may set: nothing is overruled by it. */
const unset = "unset";
const parameters = ["serverUrl", "latencyP95Seconds", "bandWidth"] as const;

export class RuntimeStack extends Stack {
  readonly #settings: Settings;
  readonly #workload: WorkloadStack;
  readonly #common: Pick<ContainerServiceProps, "vpc" | "cluster" | "image" | "secrets" | "removalPolicy">;
  readonly #domain: string;

  constructor(scope: Construct, id: string, props: RuntimeStackProps) {
    super(scope, id, props);
    const { settings, workload, removalPolicy } = props;
    this.#settings = settings;
    this.#workload = workload;
    this.#domain = `evenkeel-${settings.stage}.internal`;
    const vpc = createNetwork(this, "Network", settings);
    const cluster = new Cluster(this, "Cluster", { vpc });
    Validations.of(cluster).acknowledge({
      id: "AwsSolutions-ECS4",
      reason: "Container Insights is paid per metric; the services print the few that matter.",
    });
    const shared = settings.schedulers > 0;
    if (settings.demo || settings.tap || settings.console || shared)
      cluster.addDefaultCloudMapNamespace({ name: this.#domain });
    const token = this.#token(
      "Token",
      "EVENKEEL_TOKEN: what services ask of each other, and your server of the scheduler",
      removalPolicy,
    );
    const secrets = { EVENKEEL_TOKEN: ContainerSecret.fromSecretsManager(byInterface(token)) };
    this.#common = { vpc, cluster: byInterface(cluster), image: settings.image, secrets, removalPolicy };

    const demo = settings.demo ? this.#source("Demo", "sim-server", 9000) : undefined;
    const tap = settings.tap ? this.#tap(settings.tap, removalPolicy) : undefined;
    if (shared) this.#fleet([demo, tap]);
    for (const server of shared ? [] : serversOf(settings)) {
      this.#scheduler(server, server === "demo" ? demo : server === settings.servers[0] ? tap : undefined);
    }
    if (settings.alarmEmail) mailAlarms(this, settings.alarmEmail);
    new CfnOutput(this, "ClusterName", { value: cluster.clusterName });
    new CfnOutput(this, "TokenSecret", { value: token.secretArn });
  }

  /** The region's first two zones by number: a look-up would need an account. */
  override get availabilityZones(): string[] {
    return [0, 1].map((index) => Fn.select(index, Fn.getAzs()));
  }

  #token(id: string, description: string, removalPolicy: RemovalPolicy): Secret {
    const token = new Secret(this, id, {
      description,
      generateSecretString: { passwordLength: 48, excludePunctuation: true },
      removalPolicy,
    });
    Validations.of(token).acknowledge({
      id: "AwsSolutions-SMG4",
      reason: "A server outside of the account holds the same token, so that both are changed by hand.",
    });
    return token;
  }

  /** The tap before a plain server, whose own token the tap alone holds: it is none that opens a service of ours. */
  #tap(url: string, removalPolicy: RemovalPolicy): Source {
    const description = "EVENKEEL_SERVER_TOKEN: what your plain server asks of the tap, if it asks";
    const token = this.#token("TappedServerToken", description, removalPolicy);
    new CfnOutput(this, "TappedServerTokenSecret", { value: token.secretArn });
    return this.#source(
      "Tap",
      "tap",
      9020,
      { EVENKEEL_SERVER_URL: url },
      { EVENKEEL_SERVER_TOKEN: ContainerSecret.fromSecretsManager(byInterface(token)) },
    );
  }

  /** A server of ours: it numbers what it executes and sends it to the queue. */
  #source(
    id: string,
    service: string,
    port: number,
    environment: Record<string, string> = {},
    secrets: Record<string, ContainerSecret> = {},
  ): Source {
    const { recorder, tables, variables } = this.#workload;
    const host = `${service}.${this.#domain}`;
    const url = `http://${host}:${port}`;
    const container = new ContainerService(this, id, {
      ...this.#common,
      service,
      port,
      name: service,
      durable: true,
      healthPath: "/server",
      environment: {
        ...variables,
        HOST: "0.0.0.0",
        EVENKEEL_SERVER_NETWORKS: "private",
        EVENKEEL_SERVER_ID: service,
        EVENKEEL_ALLOWED_HOSTS: host,
        EVENKEEL_ADVERTISED_URL: url,
        ...environment,
      },
      secrets: { ...this.#common.secrets, ...secrets },
    });
    recorder.queue.grant(container.role, "sqs:SendMessage");
    tables.executions.grant(container.role, "dynamodb:Query");
    // Receipts stand in both tables.
    tables.windows.grant(container.role, "dynamodb:Query");
    tables.servers.grant(container.role, "dynamodb:PutItem");
    return { container, url };
  }

  /** The scheduler of one server, what an operator can change of it, its alarms, and where asked for its console. */
  #scheduler(server: string, source: Source | undefined): void {
    const { bus, tables, variables } = this.#workload;
    const { stage, serverUrl, console } = this.#settings;
    const scope = new Construct(this, server);
    const first = { serverUrl: source?.url ?? serverUrl ?? unset, latencyP95Seconds: unset, bandWidth: unset };
    const path = `/evenkeel/${stage}/${server}`;
    const [address, ...others] = parameters.map((key) => {
      const parameterName = `${path}/${parameterNames[key]}`;
      return new StringParameter(scope, parameterNames[key], { parameterName, stringValue: first[key] });
    });
    const host = `scheduler-${server}.${this.#domain}`;
    const service = schedulerService(server);
    const scheduler = new ContainerService(scope, "Scheduler", {
      ...this.#common,
      service: "scheduler",
      port: 9010,
      healthPath: "/healthz",
      name: console ? `scheduler-${server}` : undefined,
      environment: {
        ...variables,
        STATUS_HOST: "0.0.0.0",
        EVENKEEL_SERVER_NETWORKS: "private",
        EVENKEEL_ALLOWED_HOSTS: host,
        EVENKEEL_PARAMETERS: path,
        EVENKEEL_METRICS: "emf",
        EVENKEEL_STAGE: stage,
        EVENKEEL_SERVICE: service,
      },
    });
    tables.costs.grant(scheduler.role, "dynamodb:GetItem", "dynamodb:Query");
    tables.scheduler.grant(scheduler.role, "dynamodb:GetItem", "dynamodb:PutItem");
    bus.grantPutEventsTo(scheduler.role);
    scheduler.role.addToPrincipalPolicy(
      new PolicyStatement({
        actions: ["ssm:GetParameters"],
        resources: [address, ...others].flatMap((parameter) => (parameter ? [parameter.parameterArn] : [])),
      }),
    );
    source?.container.allowFrom(scheduler.service);

    alarmOfScheduler(scope, { server, service, stage });
    if (console && address) this.#console(scope, { address, scheduler, schedulerUrl: `http://${host}:9010`, source });
  }

  /** Processes that share whatever servers are registered, with alarms on counts: nothing here grows with the servers. */
  #fleet(sources: readonly (Source | undefined)[]): void {
    const { bus, tables, variables } = this.#workload;
    const { stage, schedulers, schedulerCapacity } = this.#settings;
    const scope = new Construct(this, "Fleet");
    const fleet = new ContainerService(scope, "Scheduler", {
      ...this.#common,
      service: "scheduler",
      count: schedulers,
      size: { cpu: 1_024, memoryLimitMiB: 2_048 },
      port: 9010,
      healthPath: "/healthz",
      name: "scheduler",
      environment: {
        ...variables,
        STATUS_HOST: "0.0.0.0",
        EVENKEEL_SERVERS: "registered",
        EVENKEEL_CAPACITY: String(schedulerCapacity),
        EVENKEEL_SERVER_NETWORKS: "private",
        EVENKEEL_ALLOWED_HOSTS: `scheduler.${this.#domain}`,
        EVENKEEL_METRICS: "emf",
        EVENKEEL_STAGE: stage,
        EVENKEEL_SERVICE: fleetService,
      },
    });
    tables.costs.grant(fleet.role, "dynamodb:GetItem", "dynamodb:Query");
    tables.scheduler.grant(fleet.role, "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query");
    tables.servers.grant(fleet.role, "dynamodb:Scan");
    bus.grantPutEventsTo(fleet.role);
    // Whichever is asked of a server asks the one that steers it.
    fleet.allowFrom(fleet.service);
    for (const source of sources) source?.container.allowFrom(fleet.service);

    alarmOfFleet(scope, stage);
  }

  #console(
    scope: Construct,
    of: { address: StringParameter; scheduler: ContainerService; schedulerUrl: string; source: Source | undefined },
  ): void {
    const { bus, tables, recorder, variables } = this.#workload;
    const { consoleSignIn } = this.#settings;
    const signIn = consoleSignIn && new SignInBalancer(scope, "SignIn", { ...consoleSignIn, vpc: this.#common.vpc });
    const container = new ContainerService(scope, "Console", {
      ...this.#common,
      service: "console",
      port: 9030,
      healthPath: "/",
      environment: {
        ...variables,
        HOST: "0.0.0.0",
        EVENKEEL_SERVER_NETWORKS: "private",
        EVENKEEL_SCHEDULER_URL: of.schedulerUrl,
        EVENKEEL_ALLOWED_HOSTS: consoleSignIn?.domain ?? "",
        ...(signIn && { EVENKEEL_SIGN_IN_SIGNER: signIn.arn }),
        EVENKEEL_KEEPS: "data stays in the account's tables",
      },
      secrets: { ...this.#common.secrets, EVENKEEL_SERVER_URL: ContainerSecret.fromSsmParameter(of.address) },
    });
    for (const table of Object.values(tables)) table.grant(container.role, "dynamodb:GetItem", "dynamodb:Query");
    for (const queue of [recorder.queue, recorder.dlq]) queue.grant(container.role, "sqs:GetQueueAttributes");
    bus.grantPutEventsTo(container.role);
    of.scheduler.allowFrom(container.service);
    of.source?.container.allowFrom(container.service);
    signIn?.show(container);
  }
}
