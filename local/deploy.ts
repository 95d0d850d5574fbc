/** Deploys the workload stack to a cloud on this machine, with the very `cdk` that deploys it to AWS. */
import { createHash } from "node:crypto";
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { environmentOfOutputs } from "../platform/environment.ts";
import type { Cloud } from "./cloud.ts";
import { LocalError } from "./errors.ts";
import { defaultDirectory, nodeBinary, root } from "./paths.ts";
import { childEnvironment, type Environment, run } from "./process.ts";
import { applyTimeToLive, describeStack, inputsTag, stackName } from "./stack.ts";

const inputs = ["bin/app.ts", "cdk.json", "package-lock.json", "{infra,lambdas,core,platform}/**/*"];

/** A hash of everything that the stack is made of. */
export function fingerprint(): string {
  const hash = createHash("sha256");
  const entries = globSync(inputs, { cwd: root, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    hash.update(file.slice(root.length)).update("\0").update(readFileSync(file)).update("\0");
  }
  return hash.digest("hex").slice(0, 32);
}

export type DeployTarget = Pick<Cloud, "environment" | "endpoint">;

export interface DeployOptions {
  /** For the synthesised stack. */
  readonly directory: string;
  /** Told what is being done, as short phrases. */
  readonly onStep?: (step: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Deploys unless the cloud has this very stack already. Returns the variables that every process of the loop needs:
 * where the cloud is, and the names of queue, tables, bucket and bus.
 * @throws LocalError with the CDK's last lines
 */
export async function deploy(cloud: DeployTarget, options: DeployOptions): Promise<Environment> {
  const wanted = fingerprint();
  let stack = await describeStack(cloud);
  if (stack?.inputs !== wanted) {
    await deployAnew(cloud, wanted, options);
    stack = await describeStack(cloud);
  }
  if (!stack) throw new LocalError("the cloud does not know the stack that was just deployed");
  return { ...cloud.environment, ...environmentOfOutputs(stack.outputs) };
}

async function deployAnew(cloud: DeployTarget, wanted: string, options: DeployOptions): Promise<void> {
  const assembly = join(options.directory, "cdk.out");
  options.onStep?.("bootstrap and synthesise");
  await Promise.all([
    // The app of cdk.json is not needed to bootstrap, and running it twice at once costs time.
    cdk(cloud, ["bootstrap", "aws://000000000000/us-east-1", "--app", ""], options),
    cdk(cloud, ["synth", stackName, "--context", "runtime=false", "--quiet", "--output", assembly], options),
  ]);
  options.onStep?.("deploy");
  const deployment = ["--require-approval", "never", "--method", "direct", "--progress", "events"];
  await cdk(
    cloud,
    ["deploy", stackName, "--app", assembly, ...deployment, "--tags", `${inputsTag}=${wanted}`],
    options,
  );
  options.onStep?.("set expiry");
  await applyTimeToLive(cloud, timeToLiveAttributes(join(assembly, `${stackName}.template.json`)));
}

/**
 * Runs the CDK's command line against a cloud on this machine.
 * @throws LocalError with its last telling lines
 */
export async function cdk(
  cloud: Pick<Cloud, "environment">,
  args: readonly string[],
  { onStep, signal }: Pick<DeployOptions, "onStep" | "signal"> = {},
): Promise<void> {
  const environment = childEnvironment({
    ...cloud.environment,
    PATH: `${join(root, "node_modules", ".bin")}:${process.env.PATH}`,
    CI: "true",
    CDK_DISABLE_CLI_TELEMETRY: "1",
    NODE_COMPILE_CACHE: join(defaultDirectory, "compile-cache"),
    // CloudFormation's schemas take 2 s; `cdk synth` in CI checks them.
    CDK_VALIDATION: "false",
  });
  const onLine = (line: string) => {
    const progress = /^(\S+) \|\s*(\d+\/\d+) \|.*\| (\w+_(?:COMPLETE|FAILED)) \s*\| (\S+)/.exec(line);
    if (progress) onStep?.(`${args[0]} ${progress[2]} ${progress[4]}`);
  };
  const program = join(root, "node_modules", "aws-cdk", "bin", "cdk");
  const done = await run(nodeBinary, [program, ...args, "--no-notices", "--no-color"], {
    environment,
    directory: root,
    onLine,
    signal,
  });
  if (done.exit.code === 0) return;
  const telling = done.output.split("\n").filter((line) => /error|failed|❌|cannot|unable/i.test(line));
  const last = (telling.length > 0 ? telling : done.output.trimEnd().split("\n")).slice(-3).join(" | ");
  throw new LocalError(`cdk ${args[0]} failed: ${last.slice(0, 1_000)}`);
}

const template = z.object({
  Resources: z.record(
    z.string(),
    z.object({
      Properties: z.object({ TimeToLiveSpecification: z.object({ AttributeName: z.string() }).optional() }).optional(),
    }),
  ),
});

function timeToLiveAttributes(file: string): ReadonlyMap<string, string> {
  const { Resources } = template.parse(JSON.parse(readFileSync(file, "utf8")));
  return new Map(
    Object.entries(Resources).flatMap(([id, { Properties }]) =>
      Properties?.TimeToLiveSpecification ? [[id, Properties.TimeToLiveSpecification.AttributeName]] : [],
    ),
  );
}
