/** What `cdk.json`, or `-c name=value`, can set. docs/deploy.md describes each. */
import { z } from "zod";

const flag = z.union([z.boolean(), z.enum(["true", "false"]).transform((text) => text === "true")]);
const serverName = z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, "a small letter, then small letters, digits or '-'");
const url = z.url({ protocol: /^https?$/ });

/** Stacks of this stage have no suffix. */
export const mainStage = "main";

export const settingsSchema = z.strictObject({
  /** Names one of several deployments in an account. */
  stage: z
    .string()
    .regex(/^[a-z][a-z0-9-]{0,20}$/, "a small letter, then up to 20 small letters, digits or '-', as in -c stage=test")
    .default(mainStage),
  /** Whether tables and queues stay when the stack goes. */
  keepData: flag.default(true),
  dashboard: flag.default(false),
  /** Where alarms are told. */
  alarmEmail: z.email().optional(),
  /** Whether the containers are deployed, too. */
  runtime: flag.default(true),
  /** Names of the database servers, each with a scheduler of its own, divided by commas. */
  servers: z
    .string()
    .default("main")
    .transform((text) => text.split(",").map((name) => name.trim()))
    .pipe(z.array(serverName).min(1)),
  /** Processes that share all registered servers among themselves, instead of one for each of `servers`; 0: none. */
  schedulers: z.coerce.number().int().min(0).max(1_000).default(0),
  /** Servers that each of them takes at most. */
  schedulerCapacity: z.coerce.number().int().min(1).max(1_000).default(50),
  /** First value of each server's address; Parameter Store has the word from then on. */
  serverUrl: url.optional(),
  /** A simulated database, as one more server named `demo`. */
  demo: flag.default(false),
  /** The address of a plain server, which is then tapped and the first of `servers`. */
  tap: url.optional(),
  console: flag.default(false),
  /** The console behind a load balancer that asks users to sign in (OpenID Connect); in cdk.json, for it is an object. */
  consoleSignIn: z
    .strictObject({
      domain: z.hostname(),
      certificateArn: z.string().startsWith("arn:"),
      issuer: url,
      authorizationEndpoint: url,
      tokenEndpoint: url,
      userInfoEndpoint: url,
      clientId: z.string().min(1),
      /** Name of the client secret in Secrets Manager. */
      clientSecretName: z.string().min(1),
    })
    .optional(),
  /** Private subnets with a NAT gateway instead of public ones without an inbound rule. */
  privateSubnets: flag.default(false),
  /** Images that were built elsewhere: an address with `{service}` in it; without, they are built on deployment. */
  image: z.string().includes("{service}").optional(),
});

/** A stack holds 500 resources: what a server takes of them depends on what stands beside its scheduler. */
export function mostServers({ console, consoleSignIn }: Pick<Settings, "console" | "consoleSignIn">): number {
  if (!console) return 30;
  return consoleSignIn ? 12 : 16;
}
export type ConsoleSignIn = NonNullable<Settings["consoleSignIn"]>;
export type Settings = z.infer<typeof settingsSchema>;

/** The settings, or in one line what is wrong with them. */
export function readSettings(context: (name: string) => unknown): Settings | { readonly wrong: string } {
  const given = Object.keys(settingsSchema.shape).flatMap((name) => {
    const value = context(name);
    return value === undefined || value === "" ? [] : [[name, value]];
  });
  const parsed = settingsSchema.safeParse(Object.fromEntries(given));
  if (parsed.success) {
    const { schedulers, console, serverUrl } = parsed.data;
    if (schedulers > 0) {
      if (console) return { wrong: "context console: one console shows one server: with schedulers, docs/console.md" };
      if (serverUrl) return { wrong: "context serverUrl: with schedulers, evenkeel attach registers servers" };
      return parsed.data;
    }
    const most = mostServers(parsed.data);
    if (parsed.data.servers.length <= most) return parsed.data;
    return { wrong: `context servers: at most ${most}: a stack holds 500 resources; take another stage for more` };
  }
  return { wrong: parsed.error.issues.map(({ path, message }) => `context ${path.join(".")}: ${message}`).join("; ") };
}

/** The dimension `service` of a scheduler's metrics. */
export function schedulerService(server: string): string {
  return `scheduler-${server}`;
}

/** The same of processes that share the servers. */
export const fleetService = "scheduler-fleet";

/** Every server that gets a scheduler: those named, and the demo. */
export function serversOf({ servers, demo }: Settings): readonly string[] {
  return [...new Set([...servers, ...(demo ? ["demo"] : [])])];
}
