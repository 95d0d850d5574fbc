/** Everything that `up` starts, as steps, and its end. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createDocument } from "../platform/aws.ts";
import { workloadEnvironment } from "../platform/environment.ts";
import { writeState } from "../platform/tables/scheduler-state.ts";
import { type Cloud, type CloudKind, startCloud } from "./cloud.ts";
import { deploy } from "./deploy.ts";
import { LocalError } from "./errors.ts";
import { endpointVariable } from "./localstack.ts";
import { type LoopOptions, planLoop, serverIdOf, serverUrlOf } from "./loop.ts";
import { type Postgres, startPostgres } from "./postgres.ts";
import type { Environment } from "./process.ts";
import { identify, type ProcessIdentity } from "./process-identity.ts";
import { type RunRecord, removeRun, writeRun } from "./run-record.ts";
import { type Service, supervise } from "./supervise.ts";
import { ensureToken } from "./token.ts";
import { ensureTpch, scaleFactor } from "./tpch.ts";

export interface SessionOptions extends Omit<LoopOptions, "keeps" | "postgres"> {
  /** A real PostgreSQL with data of the TPC-H kind instead of the simulated database. */
  readonly postgres?: { readonly gatekeeperPort: number; readonly directory: string } | undefined;
  readonly cloud: CloudKind;
  readonly cloudPort: number;
  /** The 95th percentile of the delay that the user is ready to pay; undefined: as it was. */
  readonly latencyP95Seconds?: number | undefined;
  /** Told in one line what ended and starts again. */
  readonly onTrouble: (line: string) => void;
  readonly signal: AbortSignal;
}

export interface Step {
  readonly title: string;
  /** `say` takes details of the progress. */
  run(say: (detail: string) => void): Promise<void>;
}

export interface Session {
  readonly steps: readonly Step[];
  readonly serverId: string;
  readonly serverUrl: string;
  readonly schedulerUrl: string | undefined;
  readonly consoleUrl: string;
  /** Names and addresses of what has been started. */
  addresses(): readonly (readonly [name: string, url: string])[];
  /** The deployment's variables and the token, for a process that is started beside these. */
  environment(): Environment;
  /** Where the superuser reaches the real PostgreSQL; undefined without one. */
  postgres(): (Postgres & { readonly tpchUrl: string }) | undefined;
  /** Why the cloud is gone, should it end by itself. */
  readonly cloudEnded: Promise<string>;
  /** Ends what was started, last first. */
  stop(): Promise<void>;
}

/** What the console says about the data, by cloud. */
const keeps: Readonly<Record<CloudKind, string>> = {
  embedded: "keeps the data after Ctrl-C; a cloud that is killed loses what came since its start",
  localstack: "loses the data: LocalStack keeps nothing over a stop",
};

type PostgresSessionOptions = Pick<
  SessionOptions,
  "directory" | "cloudPort" | "schedulerPort" | "consolePort" | "latencyP95Seconds" | "onTrouble" | "signal"
> &
  Required<Pick<SessionOptions, "postgres">>;

/** The loop before a real PostgreSQL, on the embedded cloud. */
export function createPostgresSession(options: PostgresSessionOptions): Session {
  return createSession({
    ...options,
    cloud: "embedded",
    serverPort: 0,
    tapPort: 0,
    scenario: "default",
    plain: false,
    scheduler: true,
  });
}

export function createSession(options: SessionOptions): Session {
  const home = join(options.directory, `${options.cloud}-${options.cloudPort}`);
  let postgres: (Postgres & { readonly tpchUrl: string }) | undefined;
  const loop = () => ({
    ...options,
    directory: home,
    keeps: keeps[options.cloud],
    postgres: options.postgres && {
      gatekeeperPort: options.postgres.gatekeeperPort,
      url: postgres?.tpchUrl,
      dataDirectory: postgres?.dataDirectory,
    },
  });
  const services: Service[] = [];
  const cloudEnded = Promise.withResolvers<string>();
  let cloud: Cloud | undefined;
  let stopping = false;
  let deployment: Environment = {};
  const supervisor = identify(process.pid);
  if (!supervisor) throw new LocalError("this system does not tell when a process was started");
  const schedulerUrl = options.scheduler ? `http://127.0.0.1:${options.schedulerPort}` : undefined;
  let record: RunRecord = {
    format: 1,
    startedAt: Date.now(),
    supervisor,
    processes: [],
    serverId: serverIdOf(options),
    serverUrl: serverUrlOf(options),
    ...(schedulerUrl && { schedulerUrl }),
    environment: {},
  };
  const note = (change: Partial<RunRecord>) => {
    record = { ...record, ...change };
    writeRun(options.directory, record);
  };
  const noteProcess = (name: string, url: string, identity: ProcessIdentity | undefined) => {
    const others = record.processes.filter((known) => known.name !== name);
    if (identity) note({ processes: [...others, { name, url, ...identity }] });
  };
  note({});

  const startTheCloud = async () => {
    // LocalStack keeps nothing over a stop: an outbox that believes its rows recorded would not fill the new one.
    if (options.cloud === "localstack" && !process.env[endpointVariable])
      rmSync(home, { recursive: true, force: true });
    cloud = await startCloud({
      kind: options.cloud,
      port: options.cloudPort,
      directory: home,
      persist: true,
      signal: options.signal,
    });
    note({ cloud: { kind: cloud.kind, port: options.cloudPort, endpoint: cloud.endpoint } });
    const { child } = cloud;
    if (!child) return;
    noteProcess("cloud", cloud.endpoint, identify(child.pid));
    void child.exited.then(({ code, signal }) => cloudEnded.resolve(signal ?? `exit status ${code}`));
  };

  const deployTheStack = async (say: (detail: string) => void) => {
    if (!cloud) throw new LocalError("the cloud is not up");
    deployment = await deploy(cloud, { directory: home, onStep: say, signal: options.signal });
    note({ environment: { ...deployment } });
    if (options.latencyP95Seconds !== undefined) await storeBudget(options.latencyP95Seconds);
  };

  const storeBudget = async (latencyP95Seconds: number) => {
    const table = workloadEnvironment.parse(deployment).EVENKEEL_SCHEDULER_TABLE;
    const document = createDocument(deployment);
    try {
      await writeState(document, table, record.serverId, "knobs", { latencyP95Seconds }, 0);
    } finally {
      document.destroy();
    }
  };

  const startPostgreSql = async () => {
    if (!options.postgres) return;
    const { directory } = options.postgres;
    const started = await startPostgres({ directory, signal: options.signal });
    postgres = { ...started, tpchUrl: started.url() };
    void started.ended.then((why) => {
      if (!stopping) options.onTrouble(`PostgreSQL ended (${why})`);
    });
  };

  const loadData = async (say: (detail: string) => void) => {
    if (!postgres) throw new LocalError("PostgreSQL is not up");
    postgres = { ...postgres, tpchUrl: await ensureTpch(postgres, { say, signal: options.signal }) };
  };

  const startService = (name: string) => async () => {
    const variables = { ...deployment, EVENKEEL_TOKEN: ensureToken(options.directory) };
    const plan = planLoop(loop(), variables).find((candidate) => candidate.name === name);
    if (!plan) throw new LocalError(`no process is called ${name}`);
    const { onTrouble, signal } = options;
    const onStart = (identity: ProcessIdentity) => noteProcess(name, plan.url, identity);
    services.push(await supervise({ ...plan, onTrouble, onStart, signal }));
  };

  return {
    steps: [
      { title: `Start the cloud (${options.cloud})`, run: startTheCloud },
      { title: "Deploy the stack", run: deployTheStack },
      ...(options.postgres
        ? [
            { title: "Start PostgreSQL", run: startPostgreSql },
            { title: `Load data of the TPC-H kind (scale factor ${scaleFactor})`, run: loadData },
            { title: "Start the gatekeeper", run: startService("gatekeeper") },
            { title: "Start the sampler", run: startService("sampler") },
          ]
        : [{ title: `Start the simulated database (${options.scenario})`, run: startService("database") }]),
      ...(options.plain ? [{ title: "Start the tap before it", run: startService("tap") }] : []),
      ...(options.scheduler ? [{ title: "Start the scheduler", run: startService("scheduler") }] : []),
      { title: "Start the console", run: startService("console") },
    ],
    serverId: record.serverId,
    serverUrl: record.serverUrl,
    schedulerUrl,
    consoleUrl: `http://127.0.0.1:${options.consolePort}`,
    addresses: () => record.processes.map(({ name, url }) => [name, url]),
    environment: () => ({ ...deployment, EVENKEEL_TOKEN: ensureToken(options.directory) }),
    postgres: () => postgres,
    cloudEnded: cloudEnded.promise,
    async stop() {
      stopping = true;
      for (const service of services.splice(0).reverse()) await service.stop();
      await postgres?.stop();
      await cloud?.stop();
      removeRun(options.directory);
    },
  };
}
