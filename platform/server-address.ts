/**
 * Where a database server may be: whoever can name a server's address must not thereby reach what only this process
 * reaches (server-side request forgery).
 */
import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import ipaddr from "ipaddr.js";
import { z } from "zod";
import { ConfigError } from "./config.ts";

/** What the operator lets server addresses lead to, beyond the public Internet. */
export interface Reach {
  readonly networks: readonly ("loopback" | "private")[];
  /** First and last port of each range. */
  readonly ports: readonly (readonly [first: number, last: number])[];
}

const networks = z.string().transform((text, context) =>
  text.split(",").map((name) => {
    const network = name.trim();
    if (network === "loopback" || network === "private") return network;
    context.addIssue("loopback, private, or both with a comma between");
    return z.NEVER;
  }),
);

const ports = z
  .string()
  .regex(/^\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*$/, "ports and ranges, such as 443,8000-8999")
  .transform((text) =>
    text.split(",").map((range) => {
      const [first = "", last = first] = range.split("-");
      return [Number(first), Number(last)] as const;
    }),
  )
  .refine((ranges) => ranges.every(([first, last]) => first <= last && last <= 65_535), "ports are at most 65535");

/** Environment variables of whatever is given a server's address; `reachOf` reads them. */
export const reachVariables = {
  EVENKEEL_SERVER_NETWORKS: networks.default(["loopback"]),
  EVENKEEL_SERVER_PORTS: ports.default([
    [80, 80],
    [443, 443],
    [1_024, 65_535],
  ]),
};
const reachEnvironment = z.object(reachVariables);

export function reachOf(settings: z.infer<typeof reachEnvironment>): Reach {
  return { networks: settings.EVENKEEL_SERVER_NETWORKS, ports: settings.EVENKEEL_SERVER_PORTS };
}

/** What holds where nobody said anything: loopback and the public Internet, web ports and unprivileged ones. */
export const defaultReach: Reach = reachOf(reachEnvironment.parse({}));

/** Clouds' metadata and host services whose addresses lie in ranges that may otherwise be allowed. */
const metadata: readonly [string, number][] = [
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
  ["fd00:ec2::", 32],
  ["fd00:c1::", 32],
  ["fd20:ce::254", 128],
];

/** Why nothing may connect to this IP address; undefined when it may. An IPv4 address within an IPv6 one is judged as such. */
export function refusalOf(address: string, { networks }: Reach): string | undefined {
  if (!ipaddr.isValid(address)) return "no IP address";
  const ip = ipaddr.process(address);
  const of = (range: string, bits: number) => {
    const start = ipaddr.parse(range);
    return start.kind() === ip.kind() && ip.match(start, bits);
  };
  if (metadata.some(([range, bits]) => of(range, bits))) return "a cloud's metadata service";
  // `::a.b.c.d`, IPv4 within IPv6 as it was before ::ffff:0:0/96.
  if (ip.kind() === "ipv6" && of("::", 96) && ip.range() === "unicast") return "a reserved address";
  const range = ip.range();
  switch (range) {
    case "unicast":
      return undefined;
    case "loopback":
      return networks.includes("loopback") ? undefined : "loopback, which EVENKEEL_SERVER_NETWORKS does not allow";
    case "private":
    case "uniqueLocal":
    case "carrierGradeNat":
      return networks.includes("private")
        ? undefined
        : "a private network, which EVENKEEL_SERVER_NETWORKS does not allow";
    case "linkLocal":
      return "link-local, where clouds serve their metadata";
    default:
      return `of the range '${range}', where no server is`;
  }
}

/**
 * A server's address as a URL without a slash at its end.
 * @throws ConfigError in one line: another scheme, a port or an address literal outside `reach`, credentials in it
 */
export function parseServerUrl(text: string, reach: Reach): URL {
  const refuse = (why: string) => new ConfigError(`'${printable(text)}' cannot be a server's address: ${why}`);
  if (!URL.canParse(text)) throw refuse("a URL such as http://127.0.0.1:9000 is expected");
  const url = new URL(text);
  if (url.protocol !== "http:" && url.protocol !== "https:") throw refuse("http or https is expected");
  if (url.username || url.password) throw refuse("a token goes into EVENKEEL_SERVER_TOKEN, not into the URL");
  if (url.search || url.hash || text.includes("?") || text.includes("#")) throw refuse("it ends before any ? or #");
  const number = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  if (!reach.ports.some(([first, last]) => number >= first && number <= last)) {
    throw refuse(`port ${number} is not allowed (EVENKEEL_SERVER_PORTS)`);
  }
  const literal = url.hostname.replace(/^\[(.*)\]$/, "$1");
  const refusal = ipaddr.isValid(literal) ? refusalOf(literal, reach) : undefined;
  if (refusal) throw refuse(`${literal} is ${refusal}`);
  url.pathname = url.pathname.replace(/\/+$/, "");
  return url;
}

function printable(text: string): string {
  const withoutSecret = text.replace(/\/\/[^/@]*@/, "//...@");
  return withoutSecret.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, 200);
}

/** A name that leads where nothing may connect to. */
export class AddressRefused extends Error {
  override readonly name = "AddressRefused";
  static readonly code = "EVENKEEL_ADDRESS_REFUSED";
  readonly code = AddressRefused.code;
}

export type Resolve = (
  name: string,
  options: { readonly all: true; readonly family?: number | "IPv4" | "IPv6" | undefined },
  done: (error: NodeJS.ErrnoException | null, addresses: { address: string; family: number }[]) => void,
) => void;

/**
 * What `connect` asks for a name's addresses: all of them are judged, and those judged are connected to. One refused
 * address refuses the name. Literal addresses never come here: `parseServerUrl` judges them.
 */
export function guardedLookup(reach: Reach, resolve: Resolve = systemLookup): LookupFunction {
  return (name, options, done) => {
    resolve(name, { all: true, family: options.family }, (error, addresses) => {
      if (error) return done(error, "");
      for (const { address } of addresses) {
        const refusal = refusalOf(address, reach);
        if (refusal) return done(new AddressRefused(`${name} leads to ${address}, ${refusal}`), "");
      }
      const [first] = addresses;
      if (!first) return done(new AddressRefused(`${name} leads nowhere`), "");
      return options.all ? done(null, addresses) : done(null, first.address, first.family);
    });
  };
}
