/** The stacks as the app makes them, without bundling and without an account. */
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { App, RemovalPolicy } from "aws-cdk-lib";
import { RuntimeStack } from "../../infra/runtime-stack.ts";
import { readSettings } from "../../infra/settings.ts";
import { WorkloadStack } from "../../infra/workload-stack.ts";

const env = { account: "123456789012", region: "eu-central-1" };

/** No bundling: what is bundled does not matter here, and esbuild takes a second. */
export function newApp(directory: string): App {
  return new App({ outdir: mkdtempSync(join(directory, "out-")), context: { "aws:cdk:bundling-stacks": [] } });
}

/** @param context as in cdk.json; images come from elsewhere, for the checkout need not be read */
export function newStacks(app: App, context: Readonly<Record<string, unknown>> = {}) {
  const given: Readonly<Record<string, unknown>> = { image: "images.example.com/{service}:1", ...context };
  const settings = readSettings((name) => given[name]);
  if ("wrong" in settings) throw new Error(settings.wrong);
  const shared = { env, settings, removalPolicy: settings.keepData ? RemovalPolicy.RETAIN : RemovalPolicy.DESTROY };
  const workload = new WorkloadStack(app, "evenkeel-workload", shared);
  const runtime = new RuntimeStack(app, "evenkeel-runtime", { ...shared, workload });
  return { workload, runtime };
}

export const consoleSignIn = {
  domain: "console.example.com",
  certificateArn: "arn:aws:acm:eu-central-1:123456789012:certificate/c",
  issuer: "https://id.example.com",
  authorizationEndpoint: "https://id.example.com/authorize",
  tokenEndpoint: "https://id.example.com/token",
  userInfoEndpoint: "https://id.example.com/user",
  clientId: "evenkeel",
  clientSecretName: "evenkeel-oidc",
};
