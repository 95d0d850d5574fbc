/** The processes of the loop on this machine: a database, simulated or with gatekeeper and sampler before a real one, tap where asked for, scheduler, console. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { z } from "zod";
import { LocalError } from "./errors.ts";
import { defaultDirectory, nodeBinary, root } from "./paths.ts";
import { childEnvironment, type Environment } from "./process.ts";

export interface LoopOptions {
  /** For data and logs. */
  readonly directory: string;
  /** A scenario's name, or a parameter file. */
  readonly scenario: string;
  readonly seed?: number | undefined;
  /** Whether the database has only the three calls that every server has, with the tap before it. */
  readonly plain: boolean;
  readonly scheduler: boolean;
  readonly serverPort: number;
  readonly tapPort: number;
  readonly schedulerPort: number;
  readonly consolePort: number;
  /** What becomes of the data when everything stops, as the console shows it. */
  readonly keeps: string;
  /** A real PostgreSQL instead of the simulated database: the gatekeeper stands before it. */
  readonly postgres?: PostgresTarget | undefined;
}

export interface PostgresTarget {
  readonly gatekeeperPort: number;
  /** Known once it runs. */
  readonly url?: string | undefined;
  readonly dataDirectory?: string | undefined;
}

/** How to start one process of the loop, and where it answers. */
export interface ProcessPlan {
  readonly name: "database" | "tap" | "gatekeeper" | "sampler" | "scheduler" | "console";
  readonly command: string;
  readonly args: readonly string[];
  readonly environment: Environment;
  readonly directory: string;
  readonly log: string;
  readonly url: string;
  readonly ready: string;
}

/** The server's id: another scenario or seed is another database, whose costs must not be mixed with these. */
export function serverIdOf({
  scenario,
  seed,
  plain,
  postgres,
}: Pick<LoopOptions, "scenario" | "seed" | "plain" | "postgres">): string {
  if (postgres) return "local-postgres";
  const name = basename(scenario, ".json").replaceAll(/[^\w.-]/g, "-");
  const parts = ["local", ...(name === "default" ? [] : [name]), ...(seed === undefined ? [] : [`seed${seed}`])];
  if (plain && name !== "plain") parts.push("plain");
  return parts.join("-");
}

/** The address that has the extended API: the tap's or the gatekeeper's where there is one. */
export function serverUrlOf({
  plain,
  serverPort,
  tapPort,
  postgres,
}: Pick<LoopOptions, "plain" | "serverPort" | "tapPort" | "postgres">): string {
  return `http://127.0.0.1:${postgres?.gatekeeperPort ?? (plain ? tapPort : serverPort)}`;
}

/** The loop's processes in the order of their start; `deployment` holds the variables of cloud and stack. */
export function planLoop(options: LoopOptions, deployment: Environment): ProcessPlan[] {
  const serverId = serverIdOf(options);
  const serverUrl = serverUrlOf(options);
  const plan = (name: ProcessPlan["name"], main: string, port: number, path: string, variables: Environment) => ({
    name,
    command: nodeBinary,
    args: ["--disable-warning=ExperimentalWarning", join(root, main)],
    environment: childEnvironment({
      ...deployment,
      NODE_COMPILE_CACHE: join(defaultDirectory, "compile-cache"),
      EVENKEEL_SERVER_ID: serverId,
      HOST: "127.0.0.1",
      ...variables,
    }),
    directory: options.directory,
    log: join(options.directory, "logs", `${name}.log`),
    url: `http://127.0.0.1:${port}`,
    ready: `http://127.0.0.1:${port}${path}`,
  });
  const data = (kind: string) => ({ EVENKEEL_DATA_DIR: join(options.directory, "servers", serverId, kind) });
  const { postgres } = options;
  const database = postgres
    ? [
        plan("gatekeeper", "services/gatekeeper/main.ts", postgres.gatekeeperPort, "/server", {
          PORT: String(postgres.gatekeeperPort),
          ...data("gatekeeper"),
        }),
        // It has no address of its own: it is ready when it can tell the gatekeeper.
        plan("sampler", "services/sampler/main.ts", postgres.gatekeeperPort, "/server", {
          EVENKEEL_GATEKEEPER_URL: serverUrl,
          ...(postgres.url !== undefined && { EVENKEEL_DATABASE_URL: postgres.url }),
          ...(postgres.dataDirectory !== undefined && { EVENKEEL_PGDATA: postgres.dataDirectory }),
        }),
      ]
    : [
        plan("database", "sim-server/database/main.ts", options.serverPort, "/queued", {
          PORT: String(options.serverPort),
          EVENKEEL_SCENARIO: options.plain ? plainParameters(options) : scenarioFile(options.scenario),
          ...(options.seed !== undefined && { EVENKEEL_SEED: String(options.seed) }),
          ...data("database"),
        }),
        ...(options.plain
          ? [
              plan("tap", "services/tap/main.ts", options.tapPort, "/server", {
                PORT: String(options.tapPort),
                EVENKEEL_SERVER_URL: `http://127.0.0.1:${options.serverPort}`,
                ...data("tap"),
              }),
            ]
          : []),
      ];
  return [
    ...database,
    ...(options.scheduler
      ? [
          plan("scheduler", "services/scheduler/main.ts", options.schedulerPort, "/status", {
            STATUS_PORT: String(options.schedulerPort),
            EVENKEEL_SERVER_URL: serverUrl,
            EVENKEEL_SLOT: "scheduler-1",
          }),
        ]
      : []),
    plan("console", "services/console/main.ts", options.consolePort, "/healthz", {
      PORT: String(options.consolePort),
      EVENKEEL_SERVER_URL: serverUrl,
      ...(options.scheduler && { EVENKEEL_SCHEDULER_URL: `http://127.0.0.1:${options.schedulerPort}` }),
      EVENKEEL_KEEPS: options.keeps,
      ...(!postgres && {
        EVENKEEL_SIMULATOR: join(root, "sim-server", "database", "traffic.ts"),
        EVENKEEL_SCENARIO: scenarioFile(options.scenario),
        ...(options.seed !== undefined && { EVENKEEL_SEED: String(options.seed) }),
      }),
    }),
  ];
}

const scenarios = join(root, "sim-server", "database", "scenarios");

/**
 * The parameter file of a scenario's name, or of a path.
 * @throws LocalError when there is no such file
 */
export function scenarioFile(scenario: string): string {
  const file = /[/.]/.test(scenario) ? resolve(scenario) : join(scenarios, `${scenario}.json`);
  if (existsSync(file)) return file;
  const names = readdirSync(scenarios).map((name) => basename(name, ".json"));
  throw new LocalError(`${scenario}: neither a parameter file nor a scenario (${names.join(", ")})`);
}

/** The scenario's parameters without the fields that plain servers lack, as a file. */
function plainParameters({ scenario, directory }: LoopOptions): string {
  const file = scenarioFile(scenario);
  let parameters: Record<string, unknown>;
  try {
    parameters = z.looseObject({}).parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (cause) {
    throw new LocalError(`${file} is not a parameter file: an object in JSON is expected`, { cause });
  }
  const plain = join(directory, "plain.json");
  writeFileSync(plain, JSON.stringify({ windowJitterTicks: 1, ...parameters, stamped: false }));
  return plain;
}
