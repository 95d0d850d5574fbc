/**
 * What an operator changes in Parameter Store while the scheduler runs. A changed parameter turns the knob once, as
 * `PUT /knobs` does, and the last change of either kind holds: docs/adr/0741.
 */
import { GetParametersCommand, SSMClient } from "@aws-sdk/client-ssm";
import { z } from "zod";
import { type AwsEnvironment, clientOptions } from "../../platform/aws.ts";
import type { Clock } from "../../platform/clock.ts";
import { parameterNames } from "../../platform/environment.ts";
import { describeError, type Log } from "../../platform/log.ts";
import { schedulerKnobs } from "../../platform/scheduler-status.ts";
import type { KnobSink } from "./knob-sink.ts";

/** A parameter with this value says nothing. */
const unset = "unset";
const everyMs = 5_000;

const knob = z.string().min(1).transform(Number);
const knobs = {
  latencyP95Seconds: knob.pipe(schedulerKnobs.shape.latencyP95Seconds),
  bandWidth: knob.pipe(schedulerKnobs.shape.bandWidth),
} as const;

/** As it is in Parameter Store; every change has a version of its own. */
export interface Parameter {
  readonly value: string;
  readonly version: number;
}
export type Parameters = Partial<Readonly<Record<keyof typeof parameterNames, Parameter>>>;

/** Reads the parameters below a path; those that do not exist or are `unset` are left out. */
export function createParameterReader(env: AwsEnvironment, path: string): () => Promise<Parameters> {
  const ssm = new SSMClient(clientOptions(env));
  return async () => {
    const Names = Object.values(parameterNames).map((name) => `${path}/${name}`);
    const answer = await ssm.send(new GetParametersCommand({ Names }));
    const found = new Map(answer.Parameters?.map((parameter) => [parameter.Name, parameter]));
    return Object.fromEntries(
      Object.entries(parameterNames).flatMap(([key, name]) => {
        const { Value = unset, Version = 0 } = found.get(`${path}/${name}`) ?? {};
        return Value === unset ? [] : [[key, { value: Value.trim(), version: Version }]];
      }),
    );
  };
}

export interface ParameterWatchOptions {
  readonly read: () => Promise<Parameters>;
  readonly clock: Pick<Clock, "sleep">;
  readonly log: Log;
}

/** Looks at the parameters every five seconds. What is wrong with them is said once and changes nothing. */
export class ParameterWatch {
  readonly #options: ParameterWatchOptions;
  #knobs: KnobSink | undefined;
  #trouble = "";

  constructor(options: ParameterWatchOptions) {
    this.#options = options;
  }

  /** Waits until an operator has said where the server is; undefined when `signal` aborts first. */
  async address(signal: AbortSignal): Promise<string | undefined> {
    let address: string | undefined;
    await this.#repeat(async () => {
      address = (await this.#options.read()).serverUrl?.value;
      if (!address) throw new Error("server-url is unset: `aws ssm put-parameter --overwrite` sets it");
      return true;
    }, signal);
    return address;
  }

  /** From the next look on, changed parameters turn these knobs. */
  turn(knobs: KnobSink): void {
    this.#knobs = knobs;
  }

  /** Runs until `signal` aborts, or until the server's address is another one: then resolves with it. */
  async run(serverUrl: string, signal: AbortSignal): Promise<string | undefined> {
    let moved: string | undefined;
    await this.#repeat(async () => {
      const parameters = await this.#options.read();
      const address = parameters.serverUrl?.value;
      if (address !== undefined && address !== serverUrl) moved = address;
      else if (this.#knobs) await applyKnobs(parameters, this.#knobs, this.#options.log);
      return moved !== undefined;
    }, signal);
    return moved;
  }

  /** Looks until `look` says that it is done. */
  async #repeat(look: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      try {
        if (await look()) return;
        this.#trouble = "";
      } catch (error) {
        const trouble = describeError(error);
        if (trouble !== this.#trouble) log.warn("parameters", { error: trouble });
        this.#trouble = trouble;
      }
      await clock.sleep(everyMs, signal);
    }
  }
}

async function applyKnobs(parameters: Parameters, sink: KnobSink, log: Log): Promise<void> {
  let applied = await sink.readApplied();
  const wrong: string[] = [];
  for (const name of ["latencyP95Seconds", "bandWidth"] as const) {
    const { value, version } = parameters[name] ?? {};
    const mark = `${version} ${value}`;
    if (value === undefined || mark === applied[name]) continue;
    const parsed = knobs[name].safeParse(value);
    if (!parsed.success) {
      wrong.push(`${parameterNames[name]} is '${value}': ${parsed.error.issues[0]?.message}`);
      continue;
    }
    await sink.changeKnobs({ [name]: parsed.data });
    applied = { ...applied, [name]: mark };
    await sink.writeApplied(applied);
    log.info("a parameter was changed", { name: parameterNames[name], value });
  }
  if (wrong.length > 0) throw new Error(wrong.join("; "));
}
