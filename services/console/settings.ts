/** The console's settings: environment variables. */
import { z } from "zod";
import { nameList, port, token } from "../../platform/config.ts";
import { workloadEnvironment } from "../../platform/environment.ts";
import { reachVariables } from "../../platform/server-address.ts";
import { signerArn } from "./sign-in.ts";

const url = z.url({ protocol: /^https?$/ });

export const environment = workloadEnvironment.extend({
  EVENKEEL_SERVER_URL: z.string(),
  ...reachVariables,
  /** Sent to the server and the scheduler; by default the console's own, as where all belong to one deployment. */
  EVENKEEL_SERVER_TOKEN: token,
  /** Left out: this loop has no scheduler. */
  EVENKEEL_SCHEDULER_URL: url.optional(),
  HOST: z.string().default("127.0.0.1"),
  PORT: port.default(9030),
  EVENKEEL_ALLOWED_HOSTS: nameList.default([]),
  EVENKEEL_TOKEN: token,
  /** The load balancer before the console, at which users sign in: who has needs no token. */
  EVENKEEL_SIGN_IN_SIGNER: signerArn.optional(),
  /** A program that prints a scenario's traffic and true costs; without it the console shows no simulations. */
  EVENKEEL_SIMULATOR: z.string().optional(),
  EVENKEEL_SCENARIO: z.string().default("default"),
  EVENKEEL_SEED: z
    .string()
    .regex(/^\d{1,10}$/, "a whole number is expected")
    .optional(),
  /** What becomes of the data when everything stops, in a few words for the page. */
  EVENKEEL_KEEPS: z.string().max(200).default("data survives a restart"),
});
