import { z } from "zod";

const list = z.unknown().transform((value) => (Array.isArray(value) ? value : [value]));
const templateSchema = z.object({
  Resources: z.record(z.string(), z.object({ Type: z.string(), Properties: z.unknown().optional() })),
});
const policySchema = z.object({
  PolicyDocument: z.object({
    Statement: z.array(z.object({ Effect: z.string(), Action: list, Resource: list })),
  }),
});

/** What the template's IAM policies allow with a `*` in action or resource, by action. */
export function broadGrants(template: unknown): { action: string; resource: string }[] {
  const policies = Object.values(templateSchema.parse(template).Resources).filter(
    ({ Type }) => Type === "AWS::IAM::Policy",
  );
  return policies
    .flatMap(({ Properties }) => policySchema.parse(Properties).PolicyDocument.Statement)
    .filter(({ Effect }) => Effect === "Allow")
    .flatMap(({ Action, Resource }) =>
      Action.flatMap((action) =>
        Resource.map((resource) => ({ action: String(action), resource: JSON.stringify(resource) })),
      ),
    )
    .filter(({ action, resource }) => action.includes("*") || resource.includes("*"))
    .sort((a, b) => (a.action < b.action ? -1 : 1));
}
