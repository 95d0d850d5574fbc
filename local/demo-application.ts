/** The application of `demo/postgres` as a process, and what it tells. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { z } from "zod";
import { nodeBinary, root } from "./paths.ts";
import { childEnvironment, type Environment } from "./process.ts";

const line = z.discriminatedUnion("type", [
  z.object({ type: z.literal("started"), origin: z.number() }),
  z.object({ type: z.literal("burst"), burst: z.number(), reports: z.number(), at: z.number() }),
  z.object({
    type: z.literal("report"),
    burst: z.number(),
    index: z.number(),
    name: z.string(),
    /** Unix ms with fractions. */
    arrivedAt: z.number(),
    begunAt: z.number(),
    endedAt: z.number(),
    checksum: z.string(),
  }),
  z.object({
    type: z.literal("failed"),
    burst: z.number(),
    index: z.number(),
    name: z.string(),
    arrivedAt: z.number(),
    message: z.string(),
  }),
  z.object({ type: z.enum(["trouble", "warning"]), message: z.string() }),
  z.object({
    type: z.literal("ended"),
    transactions: z.number(),
    overheadP50Ms: z.number(),
    overheadP99Ms: z.number(),
  }),
]);
type Line = z.infer<typeof line>;
export type ReportLine = Extract<Line, { type: "report" }>;

export interface DemoApplicationOptions {
  readonly load: string;
  readonly mode: "off" | "observe" | "shadow" | "enforce";
  /** Of the services: token, and whatever else it needs. */
  readonly environment: Environment;
  readonly databaseUrl: string;
  readonly gatekeeperUrl: string;
  /** Bursts whose numbers are equal modulo this ask for the same. */
  readonly cycle: number;
  readonly prepare: boolean;
  /** Of load `tpch`: a file with what `readTpchQueries` read. */
  readonly queriesFile?: string | undefined;
}

/** Runs until `stop`; what it told is kept. */
export class DemoApplication {
  readonly reports: ReportLine[] = [];
  readonly failures: string[] = [];
  ended: Extract<Line, { type: "ended" }> | undefined;
  /** Unix ms of burst 0, once it is known. */
  readonly origin: Promise<number>;
  readonly #origin = Promise.withResolvers<number>();
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #kill = () => void this.#child.kill("SIGKILL");

  constructor({ load, mode, environment, databaseUrl, gatekeeperUrl, ...options }: DemoApplicationOptions) {
    this.#child = spawn(nodeBinary, ["--disable-warning=ExperimentalWarning", "demo/postgres/application.ts"], {
      cwd: root,
      env: childEnvironment({
        ...environment,
        DATABASE_URL: databaseUrl,
        EVENKEEL_GATE_URL: gatekeeperUrl,
        EVENKEEL_GATE_MODE: mode,
        EVENKEEL_LOAD: load,
        BURST_CYCLE: String(options.cycle),
        PREPARE: options.prepare ? "yes" : "no",
        ...(options.queriesFile && { QUERIES_FILE: options.queriesFile }),
      }),
      stdio: ["ignore", "pipe", "inherit"],
      // A Ctrl-C at the terminal is for who started it.
      detached: true,
    });
    process.once("exit", this.#kill);
    this.origin = this.#origin.promise;
    this.origin.catch(() => {});
    const { promise, resolve, reject } = Promise.withResolvers<number | null>();
    this.#exited = promise;
    promise.catch(() => {});
    this.#child.once("error", reject);
    this.#child.once("close", (code) => {
      this.#origin.reject(new Error("the application ended at once"));
      resolve(code);
    });
    if (this.#child.stdout) createInterface(this.#child.stdout).on("line", (text) => this.#take(text));
  }

  #take(text: string): void {
    const told = line.parse(JSON.parse(text));
    switch (told.type) {
      case "report":
        this.reports.push(told);
        break;
      case "failed":
      case "trouble":
        this.failures.push(told.message);
        break;
      case "ended":
        this.ended = told;
        break;
      case "warning":
        process.stderr.write(`the gate warns: ${told.message}\n`);
        break;
      case "started":
        this.#origin.resolve(told.origin);
        break;
      case "burst":
        break;
    }
  }

  get running(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  /** No burst begins any more; the background goes on. */
  endBursts(): void {
    this.#child.kill("SIGUSR2");
  }

  /** Lets what was asked for come to its end, and waits for that. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const grace = setTimeout(this.#kill, 60_000);
    await this.#exited;
    clearTimeout(grace);
    process.off("exit", this.#kill);
  }
}
