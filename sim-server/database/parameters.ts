/** The simulated database's parameters: a JSON file, checked here. Every default is the requirement's. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { ofList } from "../../platform/lengths.ts";

/** A distribution of integer costs: draws are truncated to an integer, and nothing costs less than 0. */
const costDistribution = z.discriminatedUnion("law", [
  z.strictObject({ law: z.literal("constant"), value: z.int().min(0) }),
  z.strictObject({ law: z.literal("skew-normal"), mu: z.number(), sigma: z.number().min(0), lambda: z.number() }),
  z
    .strictObject({ law: z.literal("log-uniform"), min: z.number().min(1), max: z.number().min(1) })
    .refine((d) => d.max >= d.min, "max must be at least min"),
]);
export type CostDistribution = z.infer<typeof costDistribution>;

const profile = z.strictObject({ cpu: costDistribution, io: costDistribution, memory: costDistribution });

const dominant = { law: "skew-normal", mu: 70, sigma: 15, lambda: -10 } as const;
const other = { law: "skew-normal", mu: 30, sigma: 15, lambda: 10 } as const;

const ticks = z.int().min(1).max(1_000_000_000);

export const parameters = z
  .strictObject({
    /** How many queries there are; query i has profile i mod the number of profiles. */
    queries: z.int().min(1).max(1_000_000).default(100),
    profiles: z
      .array(profile)
      .min(1, ofList)
      .default([
        { cpu: dominant, io: other, memory: other },
        { cpu: other, io: dominant, memory: other },
        { cpu: other, io: other, memory: dominant },
      ]),
    /** In each tick query i arrives with probability min(1, p_i * season * burst). */
    arrivals: z
      .strictObject({
        /** p_i = Exp(1) * mean, or the same `mean` for all. */
        law: z.enum(["exponential", "constant"]).default("exponential"),
        mean: z.number().positive().max(1, "a probability is at most 1").default(0.01),
        /** season(t) = sin((t - phaseTicks) * 2 pi / periodTicks) * amplitude + level */
        season: z
          .strictObject({
            level: z.number().min(0).default(1.5),
            amplitude: z.number().min(0).default(0.5),
            periodTicks: ticks.default(20_000),
            phaseTicks: z.number().default(500),
          })
          .refine((s) => s.amplitude <= s.level, "amplitude must not exceed level, or the probability turns negative")
          .prefault({}),
        /** Arrivals come `factor` times as often for about `meanTicks`, after about `everyTicks` of quiet (both geometric). */
        bursts: z
          .strictObject({
            factor: z.number().positive(),
            meanTicks: ticks,
            everyTicks: ticks,
            quietFactor: z.number().min(0).default(1),
          })
          .optional(),
      })
      .prefault({}),
    tickMs: z.int().min(1, "a tick lasts at least 1 ms").max(60_000).default(100),
    defaultDelayTicks: z.int().min(0).max(36_000).default(1),
    /** The largest delay that one POST /delay may add. */
    maxDelayTicks: ticks.default(36_000),
    windowTicks: z.int().min(1).max(10_000).default(10),
    /** A window's end lies up to half of this before or after its place: 0 is exact, 1 gives windows of 9 to 11 ticks. */
    windowJitterTicks: z.number().min(0).max(1).default(0),
    /** false: only the three calls, no extra field, and timestamps that are off, as existing servers do it. */
    stamped: z.boolean().default(true),
    /** From `atTick` on, `share` of the queries (at least one) cost `factor` times as much. */
    drift: z
      .array(z.strictObject({ atTick: z.int().min(0), share: z.number().positive().max(1), factor: z.number().min(0) }))
      .default([]),
    seed: z.int().min(0).max(0xffffffff).default(1),
  })
  .prefault({});
export type Parameters = z.infer<typeof parameters>;

/** A parameter file that cannot be used; the message is one line that says what is wrong and where. */
export class ParametersError extends Error {
  override readonly name = "ParametersError";
}

/** @throws ParametersError */
export function parseParameters(value: unknown, origin: string): Parameters {
  const parsed = parameters.safeParse(value);
  if (parsed.success) return parsed.data;
  const wrong = parsed.error.issues.map((issue) => `${issue.path.join(".") || "the file"}: ${issue.message}`);
  throw new ParametersError(`${origin}: ${wrong.join("; ")}`);
}

export const scenarioNames = [
  "default",
  "double",
  "five",
  "ten",
  "heavy",
  "few",
  "many",
  "bursty",
  "fast",
  "plain",
  "drift",
] as const;

const named: ReadonlySet<string> = new Set(scenarioNames);

/**
 * Reads a named scenario, or a parameter file by its path.
 * @throws ParametersError when there is no such file, it is not JSON, or a value is impossible
 */
export function loadParameters(scenarioOrFile: string): Parameters {
  const file = named.has(scenarioOrFile)
    ? new URL(`./scenarios/${scenarioOrFile}.json`, import.meta.url)
    : scenarioOrFile;
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    throw new ParametersError(
      `${scenarioOrFile}: neither a readable parameter file nor a scenario (${scenarioNames.join(", ")})`,
      { cause },
    );
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ParametersError(`${scenarioOrFile}: not JSON: ${cause instanceof Error ? cause.message : cause}`, {
      cause,
    });
  }
  return parseParameters(value, scenarioOrFile);
}
