/** How `conform` and `attach` speak to a server that nothing is known of. */
import { createParser } from "eventsource-parser";
import { z } from "zod";
import { systemClock } from "../platform/clock.ts";
import { parseEnvironment, token } from "../platform/config.ts";
import type { ConformOptions } from "../platform/conformance/conform.ts";
import { isLoopbackHost } from "../platform/http-guard.ts";
import { parseServerUrl, reachOf, reachVariables } from "../platform/server-address.ts";
import { createTransport, type Transport } from "../platform/server-transport.ts";

const variables = z.object({ EVENKEEL_SERVER_TOKEN: token, ...reachVariables });
const requestTimeoutMs = 3_000;
const firstEventMs = 5_000;

/**
 * The part of a conformance test that reaches the server.
 * @param localToken what the servers of this machine's loop ask for: sent nowhere else
 * @throws ConfigError when the address is one that may not be reached, LocalError when nobody answers there
 */
export function asking(
  url: string,
  localToken?: string,
): Pick<ConformOptions, "ask" | "host" | "firstEvent" | "clock"> & { readonly base: string } {
  const settings = parseEnvironment(variables, process.env);
  const reach = reachOf(settings);
  const transport = createTransport({
    url,
    token:
      settings.EVENKEEL_SERVER_TOKEN ?? (isLoopbackHost(parseServerUrl(url, reach).hostname) ? localToken : undefined),
    reach,
    requestTimeoutMs,
  });
  return {
    base: transport.base,
    host: new URL(transport.base).host,
    clock: systemClock,
    ask: (method, path, { body, headers } = {}) => transport.exchange(method, path, body, headers),
    firstEvent: () => firstEvent(transport),
  };
}

async function firstEvent(transport: Transport): Promise<string> {
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(firstEventMs)]);
  try {
    const response = await transport.open("/stream", signal);
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    response.setEncoding("utf8");
    let data: string | undefined;
    const parser = createParser({
      onEvent: (event) => {
        data ??= event.data;
      },
    });
    for await (const text of response) {
      parser.feed(String(text));
      if (data !== undefined) return data;
    }
    throw new Error("the stream ended before its first event");
  } finally {
    stop.abort();
  }
}
