import { afterAll, describe, expect, it } from "@jest/globals";
import { Validations } from "aws-cdk-lib";
import { Match, Template } from "aws-cdk-lib/assertions";
import { Peer, Port, SecurityGroup } from "aws-cdk-lib/aws-ec2";
import { AwsSolutionsChecks } from "cdk-nag";
import { mostServers } from "../../infra/settings.ts";
import { broadGrants } from "../support/grants.ts";
import { consoleSignIn, newApp, newStacks } from "../support/stacks.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const templateOf = (context?: Readonly<Record<string, unknown>>) =>
  Template.fromStack(newStacks(newApp(directory.path), context).runtime);

const everything = { demo: true, tap: "http://plain.example.com", console: true, consoleSignIn, servers: "one,two" };
const template = templateOf();
const full = templateOf(everything);

const inbound = (of: Template) => [
  ...Object.values(of.findResources("AWS::EC2::SecurityGroup")).filter(
    ({ Properties }) => Properties.SecurityGroupIngress !== undefined,
  ),
  ...Object.values(of.findResources("AWS::EC2::SecurityGroupIngress")),
];

describe("the runtime stack", () => {
  it("is what it was, unless the snapshot is updated on purpose", () => {
    expect(template.toJSON()).toMatchSnapshot();
  });

  it("lets nobody in, has neither NAT nor interface endpoints, and reaches the tables through a gateway", () => {
    expect(inbound(template)).toEqual([]);
    template.resourceCountIs("AWS::EC2::NatGateway", 0);
    template.allResourcesProperties("AWS::EC2::VPCEndpoint", { VpcEndpointType: "Gateway" });
    template.resourceCountIs("AWS::EC2::VPCEndpoint", 2);
    template.hasResourceProperties("AWS::ECS::Service", {
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: "ENABLED" } },
    });
  });

  it("would be seen to let someone in", () => {
    const { runtime } = newStacks(newApp(directory.path), {});
    const group = runtime.node.findAll().find((child) => child instanceof SecurityGroup);
    group?.addIngressRule(Peer.anyIpv4(), Port.tcp(9010));
    expect(inbound(Template.fromStack(runtime))).toHaveLength(1);
  });

  it("has private subnets with a way out where asked for", () => {
    const closed = templateOf({ privateSubnets: true });
    closed.resourceCountIs("AWS::EC2::NatGateway", 1);
    closed.hasResourceProperties("AWS::ECS::Service", {
      NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: "DISABLED" } },
    });
  });

  it("runs containers on arm64, non-root, read-only, each with the token from its secret", () => {
    full.allResourcesProperties("AWS::ECS::TaskDefinition", {
      RuntimePlatform: { CpuArchitecture: "ARM64" },
      ContainerDefinitions: [
        Match.objectLike({
          User: "node",
          ReadonlyRootFilesystem: true,
          RestartPolicy: { Enabled: true },
          Secrets: Match.arrayWith([Match.objectLike({ Name: "EVENKEEL_TOKEN" })]),
        }),
      ],
    });
    expect(JSON.stringify(full.toJSON())).not.toMatch(/"Name":"EVENKEEL_TOKEN","Value"/);
  });

  it("gives the tapped server's token to the tap alone, and no secret of it without a tap", () => {
    const secretOf = (of: Template) =>
      Object.keys(
        of.findResources("AWS::SecretsManager::Secret", {
          Properties: { Description: Match.stringLikeRegexp("^EVENKEEL_SERVER_TOKEN") },
        }),
      );
    expect(secretOf(template)).toEqual([]);
    const [secret = "no secret", ...others] = secretOf(full);
    expect(others).toEqual([]);
    const holders = (type: string) =>
      Object.entries(full.findResources(type)).filter(([, found]) => JSON.stringify(found).includes(`"${secret}"`));
    const [[task, { Properties }] = ["no task", { Properties: {} }], ...otherTasks] =
      holders("AWS::ECS::TaskDefinition");
    expect([task, otherTasks]).toEqual([expect.stringMatching(/^Tap/), []]);
    expect(Properties.ContainerDefinitions[0].Secrets).toContainEqual({
      Name: "EVENKEEL_SERVER_TOKEN",
      ValueFrom: { Ref: secret },
    });
    const policies = holders("AWS::IAM::Policy");
    expect(policies.map(([id]) => id)).toEqual([expect.stringMatching(/^TapTaskExecutionRole/)]);
    const statements = policies.flatMap(([, policy]) => policy.Properties.PolicyDocument.Statement);
    expect(statements.filter((statement) => JSON.stringify(statement).includes(secret))).toEqual([
      {
        Effect: "Allow",
        Action: ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
        Resource: { Ref: secret },
      },
    ]);
  });

  it("starts the next scheduler before it stops the last, and never two owners of one outbox", () => {
    template.hasResourceProperties("AWS::ECS::Service", {
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    });
    for (const [id, { Properties }] of Object.entries(full.findResources("AWS::ECS::Service"))) {
      if (!/^(Demo|Tap)/.test(id)) continue;
      expect(Properties.DeploymentConfiguration).toMatchObject({ MinimumHealthyPercent: 0, MaximumPercent: 100 });
    }
  });

  it("gives each server a scheduler, parameters that nobody overrules by deploying, and alarms", () => {
    const names = Object.values(full.findResources("AWS::SSM::Parameter")).map(({ Properties }) => Properties.Name);
    for (const server of ["one", "two", "demo"]) {
      for (const name of ["server-url", "latency-p95-seconds", "band-width"]) {
        expect(names).toContain(`/evenkeel/main/${server}/${name}`);
      }
    }
    full.resourceCountIs("AWS::CloudWatch::Alarm", 9);
    full.hasResourceProperties("AWS::SSM::Parameter", {
      Name: "/evenkeel/main/demo/server-url",
      Value: "http://sim-server.evenkeel-main.internal:9000",
    });
    template.hasResourceProperties("AWS::SSM::Parameter", { Name: "/evenkeel/main/main/server-url", Value: "unset" });
  });

  it("has what is bound to all addresses register the name by which the others reach it", () => {
    const advertised = Object.entries(full.findResources("AWS::ECS::TaskDefinition"))
      .filter(([id]) => /^(Demo|Tap)/.test(id))
      .map(([, { Properties }]) =>
        Properties.ContainerDefinitions[0].Environment.find(
          ({ Name }: { Name: string }) => Name === "EVENKEEL_ADVERTISED_URL",
        ),
      );
    expect(advertised.map((variable) => variable?.Value).sort()).toEqual([
      "http://sim-server.evenkeel-main.internal:9000",
      "http://tap.evenkeel-main.internal:9020",
    ]);
  });

  it("keeps outboxes where data is kept", () => {
    full.allResources("AWS::EFS::FileSystem", {
      DeletionPolicy: Match.stringLikeRegexp("Retain"),
      Properties: { Encrypted: true },
    });
    templateOf({ ...everything, keepData: false }).allResources("AWS::EFS::FileSystem", { DeletionPolicy: "Delete" });
  });

  it("shows the console to those who have signed in, and to nobody without a balancer", () => {
    full.hasResourceProperties("AWS::ElasticLoadBalancingV2::Listener", {
      Port: 443,
      DefaultActions: Match.arrayWith([Match.objectLike({ Type: "authenticate-oidc" })]),
    });
    // A sign-in that has ended is an answer to the page's own calls, and the console can tell its balancer's word.
    full.hasResourceProperties("AWS::ElasticLoadBalancingV2::ListenerRule", {
      Conditions: [{ Field: "path-pattern", PathPatternConfig: { Values: ["/api/*", "/metrics"] } }],
      Actions: Match.arrayWith([
        Match.objectLike({ AuthenticateOidcConfig: Match.objectLike({ OnUnauthenticatedRequest: "deny" }) }),
      ]),
    });
    const [balancer] = Object.keys(full.findResources("AWS::ElasticLoadBalancingV2::LoadBalancer"));
    full.hasResourceProperties("AWS::ECS::TaskDefinition", {
      ContainerDefinitions: [
        Match.objectLike({
          Environment: Match.arrayWith([{ Name: "EVENKEEL_SIGN_IN_SIGNER", Value: { Ref: balancer } }]),
        }),
      ],
    });
    const closed = templateOf({ console: true });
    closed.resourceCountIs("AWS::ElasticLoadBalancingV2::LoadBalancer", 0);
    for (const rule of inbound(closed)) expect(JSON.stringify(rule)).not.toContain("0.0.0.0/0");
  });
});

describe("as many servers as a deployment takes", () => {
  const beside = { demo: true, tap: "http://plain.example.com" };
  it.each([{}, { console: true }, { console: true, consoleSignIn }])(
    "fit into a stack with %j",
    (context) => {
      const most = mostServers({ console: false, ...context });
      const servers = Array.from({ length: most }, (_, index) => `server-${index}`).join(",");
      const { Resources } = templateOf({ ...beside, ...context, servers }).toJSON();
      expect(Object.keys(Resources).length).toBeLessThanOrEqual(500);
      // With a fifth more they would not.
      expect((Object.keys(Resources).length * 6) / 5).toBeGreaterThan(500);
    },
    30_000,
  );
});

describe("schedulers that share all servers", () => {
  const shared = { schedulers: 20, demo: true };
  const fleet = templateOf(shared);
  const servers = Array.from({ length: 1_000 }, (_, index) => `server-${index}`).join(",");

  it("are one service, which does not grow with the servers, whose alarms count", () => {
    // By parts: the network and the demo are in the other snapshots and assertions.
    const { Resources } = fleet.toJSON();
    expect(Object.fromEntries(Object.entries(Resources).filter(([id]) => /^Fleet/.test(id)))).toMatchSnapshot();
    expect(templateOf({ ...shared, servers }).toJSON()).toEqual(fleet.toJSON());
    expect(Object.keys(Resources).length).toBeLessThan(120);
    fleet.hasResourceProperties("AWS::ECS::Service", {
      DesiredCount: 20,
      DeploymentConfiguration: { MinimumHealthyPercent: 100, MaximumPercent: 200 },
    });
    fleet.resourceCountIs("AWS::CloudWatch::Alarm", 5);
    fleet.resourceCountIs("AWS::SSM::Parameter", 0);
    // One for each server would not even be synthesised.
    expect(() => templateOf({ servers })).toThrow("at most 30");
  });

  it("may read and write leases and plans, and find servers, and no more", () => {
    expect(broadGrants(fleet.toJSON())).toEqual([]);
    const [role] = Object.keys(fleet.findResources("AWS::IAM::Role")).filter((id) =>
      /^FleetSchedulerTaskTask/.test(id),
    );
    const policies = Object.values(fleet.findResources("AWS::IAM::Policy")).filter(
      ({ Properties }) => Properties.Roles[0].Ref === role,
    );
    const actions = policies.flatMap(({ Properties }) =>
      Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) => Action),
    );
    expect([...new Set(actions)].sort()).toEqual([
      "dynamodb:GetItem",
      "dynamodb:PutItem",
      "dynamodb:Query",
      "dynamodb:Scan",
      "events:PutEvents",
    ]);
  });

  it("let in one another and nobody else", () => {
    for (const rule of inbound(fleet)) {
      expect(JSON.stringify(rule)).not.toContain("0.0.0.0/0");
      expect(JSON.stringify(rule)).toMatch(/SourceSecurityGroupId.*Fleet|FleetSchedulerGroup|DemoData/);
    }
  });
});

describe("least privilege", () => {
  it("grants no wildcard", () => {
    expect(broadGrants(full.toJSON())).toEqual([]);
  });
});

describe("cdk-nag", () => {
  it.each([
    ["by default", {}],
    ["with a fleet", { schedulers: 20, demo: true, alarmEmail: "ops@example.com", dashboard: true }],
    ["with everything", { ...everything, privateSubnets: true, alarmEmail: "ops@example.com", dashboard: true }],
  ])("finds nothing %s", (_, context) => {
    const app = newApp(directory.path);
    newStacks(app, context);
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    expect(() => app.synth()).not.toThrow();
  });

  it("would find a group that lets the world in", () => {
    const app = newApp(directory.path);
    const { runtime } = newStacks(app);
    const group = runtime.node.findAll().find((child) => child instanceof SecurityGroup);
    group?.addIngressRule(Peer.anyIpv4(), Port.tcp(9010));
    Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
    expect(() => app.synth()).toThrow("AwsSolutions-EC23");
  });
});
