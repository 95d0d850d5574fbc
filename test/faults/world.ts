/** What a fault strikes: the loop's real processes on an embedded cloud, with a faulty network before it. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, cpSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Cloud, startCloud } from "../../local/cloud.ts";
import { deploy } from "../../local/deploy.ts";
import { type ProcessPlan, planLoop, serverIdOf } from "../../local/loop.ts";
import { freePort } from "../../local/ports.ts";
import { childEnvironment, type Environment } from "../../local/process.ts";
import { endLeftovers, readRun } from "../../local/run-record.ts";
import { type Aws, createAws } from "../../platform/aws.ts";
import { systemClock } from "../../platform/clock.ts";
import { type WorkloadEnvironment, workloadEnvironment } from "../../platform/environment.ts";
import { createServerClient } from "../../platform/server-client.ts";
import type { ServerInfo } from "../../platform/wire.ts";
import type { Control } from "./control.ts";
import { conductOf, type Mutant } from "./mutants.ts";
import { allProcesses, campaignVariable, commandOf, finish, parentOf, signal, startReaper } from "./processes.ts";
import { FaultProxy } from "./proxy.ts";

export interface WorldOptions {
  /** Executions a second. */
  readonly rate: number;
  /** Planted in our own code. */
  readonly mutant?: Mutant | undefined;
}

const tickMs = 50;
const queries = 100;

export class World {
  readonly directory: string;
  readonly aws: Aws;
  readonly names: WorkloadEnvironment;
  readonly serverId: string;
  /** Between the database (and the scheduler) and the cloud; between the functions and the cloud. */
  readonly serverSide: FaultProxy;
  readonly functionSide: FaultProxy;
  /** Bodies of messages as the sender sent them, the newest last. */
  readonly sent: string[] = [];
  readonly #options: WorldOptions;
  readonly #deployment: Environment;
  readonly #cloudPort: number;
  readonly #reaper: ChildProcess;
  #cloud: Cloud;
  #plans: ProcessPlan[] = [];
  #supervisor: ChildProcess | undefined;
  #home = "";
  #round = 0;
  #control: Control = { clockOffsetMs: 0 };

  private constructor(
    options: WorldOptions,
    parts: {
      cloud: Cloud;
      cloudPort: number;
      deployment: Environment;
      serverSide: FaultProxy;
      functionSide: FaultProxy;
      reaper: ChildProcess;
    },
    directory: string,
  ) {
    this.#options = options;
    this.directory = directory;
    this.#cloud = parts.cloud;
    this.#cloudPort = parts.cloudPort;
    this.#reaper = parts.reaper;
    this.#deployment = parts.deployment;
    this.serverSide = parts.serverSide;
    this.functionSide = parts.functionSide;
    this.aws = createAws(parts.deployment);
    this.names = workloadEnvironment.parse(parts.deployment);
    this.serverId = serverIdOf({ scenario: "faults.json", plain: false });
    this.serverSide.observe = ({ operation, body }) => {
      if (operation !== "SendMessageBatch") return;
      const { Entries } = JSON.parse(body);
      this.sent.push(...Entries.map((entry: { MessageBody: string }) => entry.MessageBody));
      this.sent.splice(0, this.sent.length - 300);
    };
  }

  /** Starts a cloud with the stack, and keeps how it is then: a cloud that loses its state falls back to it. */
  static async create(options: WorldOptions): Promise<World> {
    const directory = mkdtempSync(join(tmpdir(), "evenkeel-faults-"));
    const reaper = startReaper(directory);
    try {
      return await World.#create(options, directory, reaper);
    } catch (error) {
      await finish(reaper);
      throw error;
    }
  }

  static async #create(options: WorldOptions, directory: string, reaper: ChildProcess): Promise<World> {
    const cloudPort = await freePort();
    const serverSide = await FaultProxy.start(cloudPort);
    const functionSide = await FaultProxy.start(cloudPort);
    const start = () => startCloudIn(directory, cloudPort, functionSide.url);
    const first = await start();
    const deployment = await deploy(first, { directory: join(directory, "cloud") });
    await first.stop();
    cpSync(join(directory, "cloud", "state"), join(directory, "fresh-state"), { recursive: true });
    const cloud = await start();
    return new World(options, { cloud, cloudPort, deployment, serverSide, functionSide, reaper }, directory);
  }

  /** A round begins: empty tables, a new outbox, new processes. */
  async begin(): Promise<void> {
    this.#home = join(this.directory, `round-${++this.#round}`);
    this.sent.length = 0;
    this.serverSide.heal();
    this.functionSide.heal();
    this.functionSide.strike((request) => conductOf(this.mutant, request));
    this.control({ clockOffsetMs: 0, death: undefined });
    if (this.#round > 1) await this.loseCloud();
    mkdirSync(this.#home, { recursive: true });
    await this.#plan();
    await this.startSupervisor();
  }

  async #plan(): Promise<void> {
    const scenario = join(this.#home, "faults.json");
    // The season's level is 1.5.
    const mean = (this.#options.rate * tickMs) / 1_000 / queries / 1.5;
    writeFileSync(scenario, JSON.stringify({ tickMs, queries, arrivals: { mean, season: { amplitude: 0 } } }));
    const proxied = (url: string) => url.replace(`:${this.#cloudPort}`, `:${this.serverSide.port}`);
    const environment = {
      ...this.#deployment,
      AWS_ENDPOINT_URL: this.serverSide.url,
      // The SDK sends to where the queue's URL leads.
      EVENKEEL_QUEUE_URL: proxied(this.names.EVENKEEL_QUEUE_URL),
      EVENKEEL_TOKEN: "of-a-fault-campaign",
      [campaignVariable]: this.directory,
    };
    const plans = planLoop(
      {
        directory: this.#home,
        scenario,
        plain: false,
        scheduler: true,
        serverPort: await freePort(),
        schedulerPort: await freePort(),
        tapPort: 0,
        consolePort: 0,
        keeps: "nothing",
      },
      environment,
    );
    this.#plans = plans
      .filter(({ name }) => name === "database" || name === "scheduler")
      .map((plan) => (plan.name === "database" ? this.#instrumented(plan) : plan));
    writeFileSync(
      join(this.#home, "plans.json"),
      JSON.stringify({ directory: this.#home, serverId: this.serverId, plans: this.#plans }),
    );
  }

  #instrumented(plan: ProcessPlan): ProcessPlan {
    const preload = new URL("./preload.ts", import.meta.url).href;
    return {
      ...plan,
      args: ["--import", preload, ...plan.args],
      environment: { ...plan.environment, EVENKEEL_FAULTS_CONTROL: join(this.directory, "control.json") },
    };
  }

  /** Ready when the processes are. */
  async startSupervisor(): Promise<void> {
    this.#spawnSupervisor();
    await this.#answering();
  }

  #spawnSupervisor(): void {
    const log = openSync(join(this.#home, "supervisor.log"), "a");
    const script = new URL("./supervisor.ts", import.meta.url).pathname;
    this.#supervisor = spawn(process.execPath, [script, join(this.#home, "plans.json")], {
      env: childEnvironment({ [campaignVariable]: this.directory }),
      stdio: ["ignore", log, log],
    });
    closeSync(log);
  }

  /** Leaves its processes behind. */
  async killSupervisor(): Promise<void> {
    await this.#end(this.#supervisor, "SIGKILL");
  }

  pauseSupervisor(): () => void {
    const supervisor = this.#supervisor;
    supervisor?.kill("SIGSTOP");
    return () => supervisor?.kill("SIGCONT");
  }

  async #end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill(signal);
    await exited;
  }

  /** Ends the round's processes in good order; the cloud goes on. */
  async end(): Promise<void> {
    await this.#end(this.#supervisor, "SIGTERM");
    await endLeftovers(this.#home, 5_000);
  }

  async close(): Promise<void> {
    try {
      await this.end();
      this.aws.destroy();
      await this.#cloud.child?.stop(100);
      await this.serverSide.close();
      await this.functionSide.close();
    } finally {
      await finish(this.#reaper);
    }
  }

  /** kill -9 of the cloud, with its functions, and a start from how it was when the stack had just been deployed. */
  async loseCloud(): Promise<void> {
    const pid = this.#cloud.child?.pid;
    if (pid !== undefined) signal(-pid, "SIGKILL");
    await this.#cloud.child?.exited;
    const state = join(this.directory, "cloud", "state");
    rmSync(state, { recursive: true, force: true });
    cpSync(join(this.directory, "fresh-state"), state, { recursive: true });
    this.#cloud = await startCloudIn(this.directory, this.#cloudPort, this.functionSide.url);
  }

  cloudProcess(): number {
    const pid = this.#cloud.child?.pid;
    if (pid === undefined) throw new Error("the cloud has no process of ours");
    return pid;
  }

  /** The processes that run the functions now. */
  functionProcesses(): number[] {
    const cloud = this.#cloud.child?.pid;
    return allProcesses().filter((pid) => parentOf(pid) === cloud && /^node\b|\/node\0/.test(commandOf(pid)));
  }

  pidOf(name: "database" | "scheduler"): number {
    const found = readRun(this.#home)?.processes.find((process) => process.name === name);
    if (!found) throw new Error(`${name} has never run`);
    return found.pid;
  }

  planOf(name: "database" | "scheduler"): ProcessPlan {
    const plan = this.#plans.find((candidate) => candidate.name === name);
    if (!plan) throw new Error(`${name} is not planned`);
    return plan;
  }

  control(change: Partial<Control>): void {
    this.#control = { ...this.#control, mutant: this.#options.mutant, ...change };
    const file = join(this.directory, "control.json");
    writeFileSync(file, JSON.stringify(this.#control));
  }

  get mutant(): Mutant | undefined {
    return this.#options.mutant;
  }

  /** Data and logs of the round. */
  get roundDirectory(): string {
    return this.#home;
  }
  get outboxFile(): string {
    return join(this.dataDirectory, "outbox.sqlite");
  }
  get ledgerFile(): string {
    return join(this.dataDirectory, "ledger.log");
  }
  get dataDirectory(): string {
    return join(this.#home, "servers", this.serverId, "database");
  }
  get tables() {
    return { executions: this.names.EVENKEEL_EXECUTIONS_TABLE, windows: this.names.EVENKEEL_WINDOWS_TABLE };
  }
  /** For AWS clients of the campaign's own, past the faulty network. */
  get environment(): Environment {
    return this.#deployment;
  }

  /** What the database says of itself; undefined while it does not answer. */
  async info(): Promise<ServerInfo | undefined> {
    const { url } = this.planOf("database");
    const client = createServerClient({ url, clock: systemClock, random: Math.random, requestTimeoutMs: 1_000 });
    return client.server().catch(() => undefined);
  }

  /** Whether the supervisor that runs now has started everything. */
  #supervised(): boolean {
    const run = readRun(this.#home);
    return run?.supervisor.pid === this.#supervisor?.pid && run?.processes.length === this.#plans.length;
  }

  async #answering(deadlineMs = 60_000): Promise<void> {
    const deadline = performance.now() + deadlineMs;
    while (!this.#supervised() || !(await this.info())) {
      if (performance.now() > deadline) throw new Error(`the database does not come up: see ${this.#home}`);
      // As a person does whose start failed because a process was killed in it.
      if (this.#supervisor && this.#supervisor.exitCode !== null) this.#spawnSupervisor();
      await sleep(50);
    }
  }
}

function startCloudIn(directory: string, port: number, functionsEndpoint: string): Promise<Cloud> {
  return startCloud({ kind: "embedded", port, directory: join(directory, "cloud"), persist: true, functionsEndpoint });
}
