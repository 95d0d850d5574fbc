/** What the roles of synthesised templates may do, and what protects their queues, tables and buckets. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";

const one = <Schema extends z.ZodType>(schema: Schema) =>
  z.unknown().transform((value) => z.array(schema).parse(Array.isArray(value) ? value : [value]));
const statement = z.object({
  Effect: z.string(),
  Action: one(z.string()).optional(),
  NotAction: z.unknown().optional(),
  Resource: one(z.unknown()).optional(),
  NotResource: z.unknown().optional(),
  Principal: z.unknown().optional(),
  Condition: z.unknown().optional(),
});
const policyDocument = z.object({ Statement: one(statement) });
export const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ Type: z.string(), Properties: z.looseObject({}).default({}) })),
});
export type Template = z.infer<typeof templateSchema>;

/** Synthesises the app as the CDK does, without bundling; one template a stack. */
export function synthesise(context: Readonly<Record<string, unknown>> = {}): Template[] {
  const outdir = mkdtempSync(join(tmpdir(), "roles-"));
  try {
    const { status, stderr } = spawnSync(process.execPath, ["bin/app.ts"], {
      encoding: "utf8",
      env: {
        PATH: process.env.PATH,
        CDK_OUTDIR: outdir,
        CDK_CONTEXT_JSON: JSON.stringify({ "aws:cdk:bundling-stacks": [], ...context }),
        CDK_DEFAULT_ACCOUNT: "123456789012",
        CDK_DEFAULT_REGION: "eu-central-1",
      },
    });
    if (status !== 0) throw new Error(stderr);
    const files = readdirSync(outdir).filter((name) => name.endsWith(".template.json"));
    return files.map((name) => templateSchema.parse(JSON.parse(readFileSync(join(outdir, name), "utf8"))));
  } finally {
    rmSync(outdir, { recursive: true, force: true });
  }
}

/** An ARN or reference in few words: hashes gone, `Fn::GetAtt` to what it names. */
export function shortly(value: unknown): string {
  if (typeof value === "string") return value;
  const entries = Object.entries(z.record(z.string(), z.unknown()).parse(value));
  const [key = "", inner] = entries[0] ?? [];
  const name = (id: unknown) => String(id).replace(/[0-9A-F]{8}$/, "");
  if (key === "Ref") return name(inner);
  if (key === "Fn::GetAtt") return name(Array.isArray(inner) ? inner[0] : inner);
  if (key === "Fn::ImportValue")
    return name(String(shortly(inner)).replace(/^.*(?:FnGetAtt|Ref)/, "")).replace(/[0-9A-F]{8}.*$/, "");
  if (key === "Fn::Join")
    return z
      .tuple([z.string(), z.array(z.unknown())])
      .parse(inner)[1]
      .map(shortly)
      .join("");
  if (key === "Fn::Sub") return String(inner);
  return JSON.stringify(value);
}

/** Policies written into the template, each with the roles that they are attached to. */
function policies({ Resources }: Template): { roles: string[]; document: z.infer<typeof policyDocument> }[] {
  return Object.entries(Resources).flatMap(([id, { Type, Properties }]) => {
    if (Type === "AWS::IAM::Policy" || Type === "AWS::IAM::ManagedPolicy") {
      const roles = z.array(z.unknown()).default([]).parse(Properties.Roles).map(shortly);
      return [{ roles: roles.length > 0 ? roles : [id], document: policyDocument.parse(Properties.PolicyDocument) }];
    }
    if (Type === "AWS::IAM::Role" || Type === "AWS::IAM::User" || Type === "AWS::IAM::Group") {
      const inline = z
        .array(z.object({ PolicyDocument: policyDocument }))
        .default([])
        .parse(Properties.Policies);
      return inline.map(({ PolicyDocument }) => ({ roles: [shortly({ Ref: id })], document: PolicyDocument }));
    }
    return [];
  });
}

/** `role: action on resource` for all that the templates allow. What is allowed by exclusion shows as it stands. */
export function grants(templates: readonly Template[]): string[] {
  const lines = templates.flatMap((template) => [
    ...policies(template).flatMap(({ roles, document }) =>
      document.Statement.filter(({ Effect }) => Effect === "Allow").flatMap((allowed) =>
        roles.flatMap((role) =>
          (allowed.Action ?? [`all but ${JSON.stringify(allowed.NotAction)} *`]).flatMap((action) =>
            (allowed.Resource ?? [`all but ${JSON.stringify(allowed.NotResource)} *`]).map(
              (resource) => `${role}: ${action} on ${shortly(resource)}`,
            ),
          ),
        ),
      ),
    ),
    ...Object.entries(template.Resources).flatMap(([id, { Type, Properties }]) =>
      Type === "AWS::IAM::Role"
        ? z
            .array(z.unknown())
            .default([])
            .parse(Properties.ManagedPolicyArns)
            .map((arn) => `${shortly({ Ref: id })}: managed policy ${shortly(arn)} *`)
        : [],
    ),
  ]);
  return [...new Set(lines)].sort();
}

/** Grants by role and resource: `role: resource: action, action`. ARNs within the account lose their beginning. */
export function condensed(grants: readonly string[]): string[] {
  const lines = grants.map((line) =>
    line
      .replace(/arn:AWS::Partition:ecr:\S+:repository\/cdk-\S+/, "its images")
      .replace(/arn:AWS::Partition:ssm:\S+:parameter/, "parameter "),
  );
  const actions = Map.groupBy(lines, (line) => line.replace(/: (\S+) on (.*)$/, ": $2"));
  return [...actions]
    .map(([place, granted]) => `${place}: ${granted.map((line) => / (\S+) on /.exec(line)?.[1] ?? "?").join(", ")}`)
    .sort();
}

/** Queues, tables and buckets that answer plain HTTP or are not encrypted, one line each. */
export function unprotected(templates: readonly Template[]): string[] {
  return templates.flatMap(({ Resources }) =>
    Object.entries(Resources).flatMap(([id, { Type, Properties }]) => {
      const refusesHttp = (documents: readonly unknown[]) =>
        documents.some((document) =>
          policyDocument
            .parse(document)
            .Statement.some(
              ({ Effect, Action = [], Principal, Condition }) =>
                Effect === "Deny" &&
                Action.every((action) => /^(sqs|dynamodb|s3):\*$/.test(action)) &&
                ["*", '{"AWS":"*"}'].includes(typeof Principal === "string" ? Principal : JSON.stringify(Principal)) &&
                JSON.stringify(Condition) === '{"Bool":{"aws:SecureTransport":"false"}}',
            ),
        );
      const attached = (type: string, key: string) =>
        Object.values(Resources)
          .filter((other) => other.Type === type && JSON.stringify(other.Properties[key])?.includes(`"${id}"`))
          .map((other) => other.Properties.PolicyDocument);
      const wrong = (refuses: boolean, encrypted: boolean) => [
        ...(refuses ? [] : [`${shortly({ Ref: id })} answers plain HTTP`]),
        ...(encrypted ? [] : [`${shortly({ Ref: id })} is not encrypted`]),
      ];
      switch (Type) {
        case "AWS::SQS::Queue":
          return wrong(
            refusesHttp(attached("AWS::SQS::QueuePolicy", "Queues")),
            Properties.SqsManagedSseEnabled === true || Properties.KmsMasterKeyId !== undefined,
          );
        case "AWS::S3::Bucket":
          return wrong(
            refusesHttp(attached("AWS::S3::BucketPolicy", "Bucket")),
            Properties.BucketEncryption !== undefined,
          );
        case "AWS::DynamoDB::Table": {
          // A table without a specification of its own is encrypted with a key of the service's: none can be without.
          const own = z.object({ PolicyDocument: z.unknown() }).optional().parse(Properties.ResourcePolicy);
          return wrong(own !== undefined && refusesHttp([own.PolicyDocument]), true);
        }
        default:
          return [];
      }
    }),
  );
}
