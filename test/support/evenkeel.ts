/** The command line as a user runs it: real processes, on free ports, in a directory of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { defaultDirectory } from "../../local/paths.ts";
import { freePort } from "../../local/ports.ts";
import { readRun } from "../../local/run-record.ts";

const program = resolve("bin/evenkeel.ts");

export interface Finished {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running {
  /** What it has printed so far. */
  output(): string;
  kill(signal: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

/** A place where `up` runs, and the other commands look at it. */
export class Place {
  /** Within the checkout, as by default: what runs from there falls under the project's package.json. */
  readonly directory = mkdtempSync(join(defaultDirectory, "e2e-"));
  readonly #ports: readonly string[];
  readonly #running = new Set<Running>();

  private constructor(ports: readonly string[]) {
    this.#ports = ports;
  }

  static async create(): Promise<Place> {
    mkdirSync(defaultDirectory, { recursive: true });
    const options = ["--cloud-port", "--server-port", "--scheduler-port", "--tap-port", "--console-port"];
    const ports: string[] = [];
    for (const option of options) ports.push(option, String(await freePort()));
    return new Place(ports);
  }

  /** Starts `up` and leaves it running. */
  up(...options: string[]): Running {
    return this.start(["up", ...this.#ports, ...options]);
  }

  start(args: readonly string[], environment: NodeJS.ProcessEnv = process.env): Running {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", program, ...args], {
      env: { ...environment, NODE_OPTIONS: "", EVENKEEL_DIRECTORY: this.directory },
      stdio: ["ignore", "pipe", "pipe"],
    });
    let stdout = "";
    let stderr = "";
    child.stdout.on("data", (chunk) => {
      stdout += chunk;
    });
    child.stderr.on("data", (chunk) => {
      stderr += chunk;
    });
    const running: Running = {
      output: () => stdout + stderr,
      kill: (signal) => child.kill(signal),
      finished: once(child, "close").then(() => {
        this.#running.delete(running);
        return { status: child.exitCode, stdout, stderr };
      }),
    };
    this.#running.add(running);
    return running;
  }

  /** Runs a command to its end. */
  run(...args: string[]): Promise<Finished> {
    return this.start(args).finished;
  }

  /** The process id of what `up` started under this name. */
  pidOf(name: string): number {
    const found = readRun(this.directory)?.processes.find((process) => process.name === name);
    if (!found) throw new Error(`${name} does not run`);
    return found.pid;
  }

  /** Ends whatever still runs, and removes the directory. */
  async remove(): Promise<void> {
    for (const running of [...this.#running]) {
      running.kill("SIGTERM");
      await running.finished;
    }
    await this.run("down");
    rmSync(this.directory, { recursive: true, force: true });
  }
}
