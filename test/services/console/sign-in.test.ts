import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { silentLog as log } from "../../../platform/log.ts";
import { claimHeader, createSignIn, signerArn } from "../../../services/console/sign-in.ts";
import { FakeClock } from "../../support/clock.ts";
import { createIdleConsole } from "../../support/console.ts";

const signer = "arn:aws:elasticloadbalancing:eu-central-1:123456789012:loadbalancer/app/Sign-in/50dc6c495c0c9188";
const ours = generateKeyPairSync("ec", { namedCurve: "P-256" });
const theirs = generateKeyPairSync("ec", { namedCurve: "P-256" });
const now = 1_800_000_000_000;
const head = { alg: "ES256", kid: "key-1", signer, iss: "https://id.example.com", client: "c", exp: now / 1_000 + 60 };
const payload = { sub: "1", email: "ops@example.com" };

/** As the balancer writes it: base64url, padded. */
const part = (value: object) => {
  const text = Buffer.from(JSON.stringify(value)).toString("base64url");
  return text.padEnd(Math.ceil(text.length / 4) * 4, "=");
};
function claim(change: object = {}, key = ours.privateKey, said: object = payload): string {
  const text = `${part({ ...head, ...change })}.${part(said)}`;
  return `${text}.${sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
}

function setup() {
  const asked: string[] = [];
  const clock = new FakeClock(now);
  const readKey = async (id: string) => {
    asked.push(id);
    if (id !== "key-1") throw new Error("no such key");
    return ours.publicKey.export({ type: "spki", format: "pem" }).toString();
  };
  return { asked, clock, check: createSignIn({ signer, clock, log, readKey }) };
}

describe("a sign-in at the load balancer", () => {
  it("counts when the balancer has signed it, and its key is asked for once", async () => {
    const { check, asked } = setup();
    expect([await check(claim()), await check(claim({}, ours.privateKey, { sub: "2" }))]).toEqual([true, true]);
    expect(asked).toEqual(["key-1"]);
  });

  it.each<[string, string | undefined]>([
    ["is missing", undefined],
    ["is empty", ""],
    ["is no claim", "x"],
    ["is three parts of nothing", ".."],
    ["has a part too many", `${claim()}.x`],
    ["is signed by another key", claim({}, theirs.privateKey)],
    ["says something else than was signed", claim().replace(/\.[^.]+\./, `.${part({ sub: "admin" })}.`)],
    ["is not signed", claim().replace(/[^.]+$/, "")],
    ["says that it needs no signature", claim({ alg: "none" }).replace(/[^.]+$/, "")],
    ["names another way of signing", claim({ alg: "HS256" })],
    ["is another balancer's", claim({ signer: signer.replace("Sign-in", "Other") })],
    ["has ended", claim({ exp: now / 1_000 })],
    ["names a key that there is not", claim({ kid: "key-2" })],
    ["names a key elsewhere", claim({ kid: "../../evil.example.com/key" })],
  ])("counts for nothing when it %s", async (_, given) => {
    expect(await setup().check(given)).toBe(false);
  });

  it("ends with its time", async () => {
    const { check, clock } = setup();
    expect(await check(claim())).toBe(true);
    await clock.advance(60_000);
    expect(await check(claim())).toBe(false);
  });

  it("asks nobody for the key of a claim that is not its balancer's", async () => {
    const { check, asked } = setup();
    await check(claim({ signer: "arn:aws:elasticloadbalancing:eu-central-1:999999999999:loadbalancer/app/x/1" }));
    expect(asked).toEqual([]);
  });

  it("is set by an ARN", () => {
    expect(signerArn.safeParse(signer).success).toBe(true);
    expect(signerArn.safeParse("evil.example.com:443:1:x").success).toBe(false);
  });
});

describe("a console behind the balancer", () => {
  const token = "the-token-of-this-console";
  const app = createIdleConsole({ token, vouched: { header: claimHeader, check: setup().check } });
  const ask = async (headers: Record<string, string>, init: RequestInit = {}) =>
    (await app.request("/api/state", { ...init, headers: { host: "localhost", ...headers } }, { beyondLoopback: true }))
      .status;

  it("shows itself to those who have signed in, and to those with the token", async () => {
    expect(await ask({ [claimHeader]: claim() })).toBe(200);
    expect(await ask({ authorization: `Bearer ${token}` })).toBe(200);
    expect(await ask({})).toBe(401);
    expect(await ask({ [claimHeader]: claim({}, theirs.privateKey) })).toBe(401);
  });

  it("refuses another site's page in the browser of one who has signed in", async () => {
    expect(await ask({ [claimHeader]: claim(), origin: "https://evil.example.com" })).toBe(403);
    expect(await ask({ [claimHeader]: claim(), "sec-fetch-site": "cross-site" }, { method: "PUT" })).toBe(403);
  });

  it("takes no sign-in where it knows no balancer", async () => {
    const open = createIdleConsole({ token });
    const headers = { host: "localhost", [claimHeader]: claim() };
    expect((await open.request("/api/state", { headers }, { beyondLoopback: true })).status).toBe(401);
  });
});
