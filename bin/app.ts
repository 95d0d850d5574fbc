/** The CDK app. Context `stage` (`-c stage=test`) names one of several deployments in an account. */
import { App, Tags, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { z } from "zod";
import { WorkloadStack } from "../infra/workload-stack.ts";

const stageSchema = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,20}$/)
  .optional();

const app = new App();
const stage = stageSchema.safeParse(app.node.tryGetContext("stage"));
if (!stage.success) {
  console.error("context stage: a small letter, then up to 20 small letters, digits or '-', as in -c stage=test");
  process.exit(2);
}
const account = process.env.CDK_DEFAULT_ACCOUNT;
const region = process.env.CDK_DEFAULT_REGION;
const stack = new WorkloadStack(app, `evenkeel-workload${stage.data ? `-${stage.data}` : ""}`, {
  description: "Evenkeel: records every execution and learns what each query costs",
  ...(account && region ? { env: { account, region } } : {}),
});
Tags.of(stack).add("system", "evenkeel");
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
