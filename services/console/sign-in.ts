/**
 * Who has signed in at the load balancer before the console. It sends each request on with a claim that it has signed
 * (ES256) and that names it; anybody else who reached the console could send the header, too, but not sign it.
 * Source: Elastic Load Balancing's guide, "Authenticate users using an Application Load Balancer".
 */
import { createPublicKey, type KeyObject, verify } from "node:crypto";
import { z } from "zod";
import type { Clock } from "../../platform/clock.ts";
import { describeError, type Log } from "../../platform/log.ts";

export const claimHeader = "x-amzn-oidc-data";

/** ARN of an application load balancer. */
export const signerArn = z
  .string()
  .regex(
    /^arn:aws:elasticloadbalancing:[a-z0-9-]+:\d{12}:loadbalancer\/app\/[\w-]+\/[0-9a-f]+$/,
    "the ARN of an application load balancer is expected",
  );

const claimHead = z.looseObject({
  alg: z.literal("ES256"),
  kid: z.string().regex(/^[\w-]{1,100}$/),
  signer: z.string(),
  /** Unix seconds. */
  exp: z.number(),
});

const keyMs = 3_000;
/** A balancer changes its key now and then. */
const mostKeys = 10;

export interface SignInOptions {
  /** The balancer's ARN. */
  readonly signer: string;
  readonly clock: Clock;
  readonly log: Log;
  /** The public key of that id, PEM; by default as AWS gives it. */
  readonly readKey?: (id: string) => Promise<string>;
}

/** Whether a claim is one that the balancer has signed and that still holds. */
export function createSignIn({ signer, clock, log, readKey = keyOfAws(signer) }: SignInOptions) {
  const keys = new Map<string, KeyObject>();

  async function keyOf(id: string): Promise<KeyObject> {
    const known = keys.get(id);
    if (known) return known;
    const key = createPublicKey(await readKey(id));
    if (keys.size >= mostKeys) keys.clear();
    keys.set(id, key);
    return key;
  }

  return async (claim: string | undefined): Promise<boolean> => {
    const [head = "", payload = "", signature = "", ...more] = claim?.split(".") ?? [];
    if (head === "" || more.length > 0) return false;
    const parsed = claimHead.safeParse(jsonOf(head));
    if (!parsed.success || parsed.data.signer !== signer || parsed.data.exp * 1_000 <= clock.now()) return false;
    try {
      const key = await keyOf(parsed.data.kid);
      const signed = Buffer.from(`${head}.${payload}`);
      return verify("sha256", signed, { key, dsaEncoding: "ieee-p1363" }, Buffer.from(signature, "base64url"));
    } catch (error) {
      log.warn("a sign-in could not be checked", { problem: describeError(error) });
      return false;
    }
  };
}

function jsonOf(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, "base64url").toString());
  } catch {
    return undefined;
  }
}

function keyOfAws(signer: string): (id: string) => Promise<string> {
  const region = signer.split(":")[3];
  return async (id) => {
    const address = `https://public-keys.auth.elb.${region}.amazonaws.com/${id}`;
    const answer = await fetch(address, { signal: AbortSignal.timeout(keyMs), redirect: "error" });
    if (!answer.ok) throw new Error(`${address}: ${answer.status}`);
    return answer.text();
  };
}
