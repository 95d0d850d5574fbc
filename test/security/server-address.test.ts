import type { LookupAddress } from "node:dns";
import { createServer } from "node:http";
import { afterEach, describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { systemClock } from "../../platform/clock.ts";
import { parseEnvironment } from "../../platform/config.ts";
import {
  defaultReach,
  guardedLookup,
  parseServerUrl,
  type Reach,
  type Resolve,
  reachOf,
  reachVariables,
} from "../../platform/server-address.ts";
import { createServerClient } from "../../platform/server-client.ts";
import { createTransport } from "../../platform/server-transport.ts";

const closings: (() => void)[] = [];
afterEach(() => {
  for (const close of closings.splice(0)) close();
});

const reach = (networks: Reach["networks"]): Reach => ({ ...defaultReach, networks });
/** What each reach lets through: nothing but the Internet, loopback too (the default), private networks too. */
const reaches = { internet: reach([]), loopback: reach(["loopback"]), all: reach(["loopback", "private"]) };

/** Addresses by the least reach that lets them through; `never`: none does. */
const vectors: readonly (readonly [url: string, least: keyof typeof reaches | "never"])[] = [
  // The Internet
  ["http://example.org", "internet"],
  ["https://example.org", "internet"],
  ["https://example.org:8443/a/database/", "internet"],
  ["http://8.8.8.8:9000", "internet"],
  ["http://[2606:4700:4700::1111]:9000", "internet"],
  ["http://[::ffff:8.8.8.8]:9000", "internet"],
  // Loopback, in the ways that it is written
  ["http://127.0.0.1:9000", "loopback"],
  ["http://127.255.255.254:9000", "loopback"],
  ["http://127.1:9000", "loopback"],
  ["http://2130706433:9000", "loopback"],
  ["http://0x7f000001:9000", "loopback"],
  ["http://0x7f.0.0.1:9000", "loopback"],
  ["http://017700000001:9000", "loopback"],
  ["http://0177.0.0.01:9000", "loopback"],
  ["http://127.0.0.1.:9000", "loopback"],
  ["http://１２７.0.0.1:9000", "loopback"],
  ["http://127。0。0。1:9000", "loopback"],
  ["http://%31%32%37.0.0.1:9000", "loopback"],
  ["http://[::1]:9000", "loopback"],
  ["http://[0:0:0:0:0:0:0:1]:9000", "loopback"],
  ["http://[::ffff:127.0.0.1]:9000", "loopback"],
  ["http://[::ffff:7f00:1]:9000", "loopback"],
  ["http:\\\\127.0.0.1:9000", "loopback"],
  ["http:127.0.0.1:9000", "loopback"],
  // Private networks
  ["http://10.0.0.1:9000", "all"],
  ["http://10.255.255.255:9000", "all"],
  ["http://172.16.0.1:9000", "all"],
  ["http://172.31.255.254:9000", "all"],
  ["http://192.168.1.1:9000", "all"],
  ["http://0xc0a80101:9000", "all"],
  ["http://100.64.0.1:9000", "all"],
  ["http://[fc00::1]:9000", "all"],
  ["http://[fd12:3456:789a::1]:9000", "all"],
  ["http://[::ffff:10.0.0.1]:9000", "all"],
  ["http://[::ffff:c0a8:1]:9000", "all"],
  // Metadata services and whatever else serves those on the same host or link
  ["http://169.254.169.254", "never"],
  ["http://169.254.169.254/latest/meta-data", "never"],
  ["http://169.254.170.2", "never"],
  ["http://169.254.170.23", "never"],
  ["http://169.254.0.1:9000", "never"],
  ["http://2852039166", "never"],
  ["http://0xa9fea9fe", "never"],
  ["http://0251.0376.0251.0376", "never"],
  ["http://169.254.43518", "never"],
  ["http://[::ffff:169.254.169.254]", "never"],
  ["http://[::ffff:a9fe:a9fe]", "never"],
  ["http://[::169.254.169.254]", "never"],
  ["http://[64:ff9b::a9fe:a9fe]", "never"],
  ["http://[64:ff9b:1::a9fe:a9fe]", "never"],
  ["http://[2002:a9fe:a9fe::]", "never"],
  ["http://[2001:0:a9fe:a9fe::1]", "never"],
  ["http://[::ffff:0:a9fe:a9fe]", "never"],
  ["http://[fe80::1]:9000", "never"],
  ["http://[fe80::a9fe:a9fe]", "never"],
  ["http://[fd00:ec2::254]", "never"],
  ["http://[fd00:ec2::23]", "never"],
  ["http://[fd20:ce::254]", "never"],
  ["http://[fd00:c1::a9fe:a9fe]", "never"],
  ["http://100.100.100.200", "never"],
  ["http://192.0.0.192", "never"],
  ["http://168.63.129.16", "never"],
  // Where no server is
  ["http://0.0.0.0:9000", "never"],
  ["http://0:9000", "never"],
  ["http://0.1.2.3:9000", "never"],
  ["http://[::]:9000", "never"],
  ["http://[::127.0.0.1]:9000", "never"],
  ["http://[64:ff9b::7f00:1]:9000", "never"],
  ["http://[2002:7f00:1::]:9000", "never"],
  ["http://[fec0::1]:9000", "never"],
  ["http://224.0.0.1:9000", "never"],
  ["http://[ff02::1]:9000", "never"],
  ["http://255.255.255.255:9000", "never"],
  ["http://240.0.0.1:9000", "never"],
  ["http://192.0.2.1:9000", "never"],
  ["http://198.18.0.1:9000", "never"],
  ["http://[2001:db8::1]:9000", "never"],
  ["http://[100::1]:9000", "never"],
  // Schemes
  ["ftp://example.org", "never"],
  ["file:///etc/passwd", "never"],
  ["gopher://example.org:9000/_x", "never"],
  ["ws://example.org", "never"],
  ["dict://127.0.0.1:11211", "never"],
  ["data:text/plain,x", "never"],
  ["javascript:alert(1)", "never"],
  ["//example.org", "never"],
  ["example.org", "never"],
  ["", "never"],
  // Ports
  ["http://example.org:22", "never"],
  ["http://example.org:25", "never"],
  ["http://127.0.0.1:0", "never"],
  ["http://127.0.0.1:1", "never"],
  ["http://127.0.0.1:631", "never"],
  ["http://127.0.0.1:65536", "never"],
  ["https://127.0.0.1:1023", "never"],
  // What does not belong into it
  ["http://user@example.org", "never"],
  ["http://user:secret@example.org", "never"],
  ["http://:secret@example.org", "never"],
  ["http://example.org@169.254.169.254", "never"],
  ["http://example.org/?x=1", "never"],
  ["http://example.org/?", "never"],
  ["http://example.org/#x", "never"],
  ["http://example.org#@127.0.0.1", "never"],
  ["http://exa mple.org", "never"],
  ["http://[::1%25eth0]:9000", "never"],
  ["http://256.256.256.256:9000", "never"],
  ["http://1.2.3.4.5:9000", "never"],
];

const isLet = (url: string, within: Reach): boolean => {
  try {
    parseServerUrl(url, within);
    return true;
  } catch {
    return false;
  }
};

describe("a server's address", () => {
  it.each(vectors)("%s: %s", (url, least) => {
    const names = ["internet", "loopback", "all"] as const;
    const expected = names.map((name) => least !== "never" && names.indexOf(name) >= names.indexOf(least));
    expect(names.map((name) => isLet(url, reaches[name]))).toEqual(expected);
  });

  it("are sixty or more", () => {
    expect(vectors.length).toBeGreaterThanOrEqual(60);
    expect(new Set(vectors.map(([url]) => url)).size).toBe(vectors.length);
  });

  it("is refused in one line that says why, without what may be secret", () => {
    const told = (url: string) => () => parseServerUrl(url, defaultReach);
    expect(told("http://10.0.0.1:9000")).toThrow(
      "'http://10.0.0.1:9000' cannot be a server's address: 10.0.0.1 is a private network, which EVENKEEL_SERVER_NETWORKS does not allow",
    );
    expect(told("http://user:secret@example.org")).toThrow(
      /^'http:\/\/\.\.\.@example\.org' .* EVENKEEL_SERVER_TOKEN, not into the URL$/,
    );
    expect(told("http://a\nb\u0007 ://c")).toThrow(/^[\x20-\x7e]+$/);
  });

  it("keeps its path", () => {
    expect(parseServerUrl("https://example.org/databases/1//", defaultReach).href).toBe(
      "https://example.org/databases/1",
    );
  });

  it("reads what the operator allows", () => {
    const read = (environment: Record<string, string>) =>
      reachOf(parseEnvironment(z.object(reachVariables), environment));
    expect(read({})).toEqual(defaultReach);
    expect(read({ EVENKEEL_SERVER_NETWORKS: "loopback, private", EVENKEEL_SERVER_PORTS: "443,8000-8999" })).toEqual({
      networks: ["loopback", "private"],
      ports: [
        [443, 443],
        [8000, 8999],
      ],
    });
    for (const networks of ["link-local", "private,", "*"]) {
      expect(() => read({ EVENKEEL_SERVER_NETWORKS: networks })).toThrow("loopback, private, or both");
    }
    for (const ports of ["-1", "80-", "70000", "any"]) {
      expect(() => read({ EVENKEEL_SERVER_PORTS: ports })).toThrow("EVENKEEL_SERVER_PORTS is wrong");
    }
  });
});

/** A resolver that answers from lists in turn, the last one again and again. */
function resolving(...answers: readonly (readonly string[])[]): Resolve & { readonly asked: string[] } {
  const asked: string[] = [];
  const resolve: Resolve = (name, _, done) => {
    const addresses = answers[Math.min(asked.length, answers.length - 1)] ?? [];
    asked.push(name);
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(":") ? 6 : 4 })),
    );
  };
  return Object.assign(resolve, { asked });
}

/** A server on loopback that counts its requests; `location` makes it redirect. */
async function counting(location?: string) {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    requests.push(request.url ?? "");
    if (location) response.writeHead(302, { location }).end();
    else response.writeHead(204, { connection: "close" }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closings.push(() => {
    server.close();
    server.closeAllConnections();
  });
  const address = server.address();
  return { requests, port: typeof address === "object" && address ? address.port : 0 };
}

describe("a name", () => {
  const lookUp = (within: Reach, ...answers: (readonly string[])[]) =>
    new Promise<string | LookupAddress[]>((resolve, reject) => {
      guardedLookup(within, resolving(...answers))("db.example", { all: true }, (error, addresses) =>
        error ? reject(error) : resolve(addresses),
      );
    });

  it("is refused when one of its addresses is", async () => {
    await expect(lookUp(reaches.all, ["8.8.8.8", "169.254.169.254"])).rejects.toThrow(
      "db.example leads to 169.254.169.254, link-local, where clouds serve their metadata",
    );
    await expect(lookUp(reaches.internet, ["8.8.8.8", "127.0.0.1"])).rejects.toThrow("loopback");
    await expect(lookUp(reaches.loopback, ["8.8.8.8", "::ffff:10.0.0.1"])).rejects.toThrow("private");
    await expect(lookUp(reaches.all, ["fd00:ec2::254"])).rejects.toThrow("metadata");
    await expect(lookUp(reaches.all, [])).rejects.toThrow("leads nowhere");
    await expect(lookUp(reaches.all, ["10.0.0.1", "::1"])).resolves.toHaveLength(2);
  });

  it("is connected to at the address that was judged, and judged again with the next connection", async () => {
    const { port, requests } = await counting();
    // What the name leads to changes after it was judged: asked once per connection, it makes no difference.
    const resolve = resolving(["127.0.0.1"], ["169.254.169.254"]);
    const url = `http://db.example:${port}`;
    const transport = createTransport({ url, reach: reaches.loopback, resolve, requestTimeoutMs: 2_000 });
    await expect(transport.exchange("GET", "/queued")).resolves.toMatchObject({ status: 204 });
    expect(resolve.asked).toEqual(["db.example"]);
    await expect(transport.exchange("GET", "/queued")).rejects.toThrow("db.example leads to 169.254.169.254");
    await expect(transport.open("/stream", new AbortController().signal)).rejects.toThrow("link-local");
    expect(requests).toEqual(["/queued"]);
  });

  it("planted fault: without the judging lookup the same name is connected to", async () => {
    const { port, requests } = await counting();
    const anywhere = { ...reaches.internet, networks: ["loopback", "private"] as const };
    const resolve = resolving(["127.0.0.1"]);
    const of = (within: Reach) =>
      createTransport({ url: `http://db.example:${port}`, reach: within, resolve, requestTimeoutMs: 2_000 });
    await expect(of(reaches.internet).exchange("GET", "/queued")).rejects.toThrow("loopback");
    expect(requests).toEqual([]);
    await of(anywhere).exchange("GET", "/queued");
    expect(requests).toEqual(["/queued"]);
  });
});

describe("a redirect", () => {
  it.each(["http://169.254.169.254/latest/meta-data", "/elsewhere", "file:///etc/passwd"])(
    "to %s is followed by no call",
    async (location) => {
      const target = await counting();
      const { port, requests } = await counting(
        location === "/elsewhere" ? `http://127.0.0.1:${target.port}/x` : location,
      );
      const client = createServerClient({ url: `http://127.0.0.1:${port}`, clock: systemClock, random: () => 0 });
      await expect(client.queued()).rejects.toThrow("302 redirects are not followed");
      await expect(client.delay("x", 1)).rejects.toThrow("302");
      await expect(client.place(1, [{ id: "x", tick: 1 }])).rejects.toThrow("302");
      const stop = new AbortController();
      const troubles: string[] = [];
      await client.follow({
        signal: stop.signal,
        onEvent: () => undefined,
        onTrouble: (error) => {
          troubles.push(error.message);
          stop.abort();
        },
      });
      expect(troubles).toEqual([expect.stringContaining("redirects are not followed")]);
      expect(requests).toEqual(["/queued", "/delay", "/place", "/stream"]);
      expect(target.requests).toEqual([]);
    },
  );
});
