/** A table as all of ours are: on demand, encrypted, TLS only, restorable to any second of the last 35 days. */
import type { RemovalPolicy } from "aws-cdk-lib";
import { AttributeType, BillingMode, Table } from "aws-cdk-lib/aws-dynamodb";
import { AnyPrincipal, Effect, PolicyDocument, PolicyStatement } from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

/** `sortKey` and `partitionKey` are text attributes; items expire by `expiresAt` (epoch seconds) if they have it. */
export function createTable(
  scope: Construct,
  id: string,
  partitionKey: string,
  sortKey: string,
  removalPolicy: RemovalPolicy,
): Table {
  return new Table(scope, id, {
    partitionKey: { name: partitionKey, type: AttributeType.STRING },
    sortKey: { name: sortKey, type: AttributeType.STRING },
    billingMode: BillingMode.PAY_PER_REQUEST,
    pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
    timeToLiveAttribute: "expiresAt",
    removalPolicy,
    resourcePolicy: new PolicyDocument({
      statements: [
        new PolicyStatement({
          effect: Effect.DENY,
          principals: [new AnyPrincipal()],
          actions: ["dynamodb:*"],
          // This table: naming it would make the template refer to itself.
          resources: ["*"],
          conditions: { Bool: { "aws:SecureTransport": "false" } },
        }),
      ],
    }),
  });
}
