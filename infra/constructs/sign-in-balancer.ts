/** A load balancer that lets only users in who have signed in with OpenID Connect, over TLS. */
import { CfnOutput, Duration, SecretValue, Validations } from "aws-cdk-lib";
import type { IVpc } from "aws-cdk-lib/aws-ec2";
import {
  ApplicationLoadBalancer,
  ApplicationProtocol,
  ApplicationTargetGroup,
  ListenerAction,
  ListenerCertificate,
  ListenerCondition,
  SslPolicy,
  UnauthenticatedAction,
} from "aws-cdk-lib/aws-elasticloadbalancingv2";
import { Construct } from "constructs";
import type { ConsoleSignIn } from "../settings.ts";
import type { ContainerService } from "./container-service.ts";

export interface SignInBalancerProps extends ConsoleSignIn {
  readonly vpc: IVpc;
}

export class SignInBalancer extends Construct {
  /** It signs what it says of a user in this name. */
  readonly arn: string;
  readonly #props: SignInBalancerProps;
  readonly #balancer: ApplicationLoadBalancer;

  constructor(scope: Construct, id: string, props: SignInBalancerProps) {
    super(scope, id);
    const { vpc, domain } = props;
    const balancer = new ApplicationLoadBalancer(this, "Balancer", {
      vpc,
      internetFacing: true,
      dropInvalidHeaderFields: true,
      idleTimeout: Duration.minutes(5),
    });
    this.arn = balancer.loadBalancerArn;
    this.#props = props;
    this.#balancer = balancer;
    Validations.of(balancer).acknowledge(
      {
        id: "AwsSolutions-ELB2",
        reason: "Who signed in is in the provider's log; a log of requests would tell no more.",
      },
      { id: "AwsSolutions-EC23", reason: "Users come from anywhere; who has not signed in gets no further than here." },
    );
    new CfnOutput(this, "Address", { value: `${domain} -> ${balancer.loadBalancerDnsName}` });
  }

  /** Sends on to it whoever has signed in. */
  show(container: ContainerService): void {
    const { vpc, domain: _, certificateArn, clientSecretName, ...provider } = this.#props;
    const console = new ApplicationTargetGroup(this, "Console", {
      vpc,
      protocol: ApplicationProtocol.HTTP,
      port: container.port,
      targets: [container.service],
      deregistrationDelay: Duration.seconds(10),
      // It asks for a token, which is an answer, too.
      healthCheck: { path: "/", healthyHttpCodes: "200,401,403" },
    });
    const signedIn = {
      ...provider,
      clientSecret: SecretValue.secretsManager(clientSecretName),
      next: ListenerAction.forward([console]),
    };
    const listener = this.#balancer.addListener("Https", {
      protocol: ApplicationProtocol.HTTPS,
      sslPolicy: SslPolicy.RECOMMENDED_TLS,
      certificates: [ListenerCertificate.fromArn(certificateArn)],
      defaultAction: ListenerAction.authenticateOidc(signedIn),
    });
    // The page itself cannot follow to the provider: a sign-in that has ended is to be an answer that it understands.
    listener.addAction("Api", {
      priority: 1,
      conditions: [ListenerCondition.pathPatterns(["/api/*", "/metrics"])],
      action: ListenerAction.authenticateOidc({
        ...signedIn,
        onUnauthenticatedRequest: UnauthenticatedAction.DENY,
      }),
    });
  }
}
