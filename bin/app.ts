/** The CDK app. What context it takes: infra/settings.ts and docs/deploy.md. */
import { App, RemovalPolicy, Tags, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { RuntimeStack } from "../infra/runtime-stack.ts";
import { mainStage, readSettings } from "../infra/settings.ts";
import { WorkloadStack } from "../infra/workload-stack.ts";

const app = new App();
const settings = readSettings((name) => app.node.tryGetContext(name));
if ("wrong" in settings) {
  console.error(settings.wrong);
  process.exit(2);
}
const account = process.env.CDK_DEFAULT_ACCOUNT;
const region = process.env.CDK_DEFAULT_REGION;
const suffix = settings.stage === mainStage ? "" : `-${settings.stage}`;
const shared = {
  settings,
  removalPolicy: settings.keepData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY,
  ...(account && region ? { env: { account, region } } : {}),
};
const workload = new WorkloadStack(app, `evenkeel-workload${suffix}`, {
  ...shared,
  description: "Evenkeel: records every execution and learns what each query costs",
});
if (settings.runtime) {
  new RuntimeStack(app, `evenkeel-runtime${suffix}`, {
    ...shared,
    workload,
    description: "Evenkeel: delays executions so that load stays level",
  });
}
Tags.of(app).add("system", "evenkeel");
Tags.of(app).add("stage", settings.stage);
Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
