/** Requests that a server must refuse, and the optional calls. None of them touches an execution. */
import { helloEvent, placeResponse, type ServerInfo, serverInfo } from "../wire.ts";
import { type Answer, type Ask, deviates, type Finding, right, shown, unseen, wrong } from "./findings.ts";

const unknownId = "00000000-0000-4000-8000-000000000000";
const delay = "POST /delay";

/** @param host the server's own name and port */
export async function tryRequests(ask: Ask, host: string): Promise<Finding[]> {
  return [
    ...(await tryUnknown(ask)),
    ...(await tryMalformed(ask)),
    ...(await tryImpossible(ask)),
    ...(await tryMethods(ask)),
    ...(await tryForeign(ask, host)),
  ];
}

const post = (ask: Ask, body: unknown) =>
  ask("POST", "/delay", { body: typeof body === "string" ? body : JSON.stringify(body) });

async function tryUnknown(ask: Ask): Promise<Finding[]> {
  const check = "answers 404 for an id that is unknown or has run";
  const answer = await post(ask, { id: unknownId, delay: 1 });
  if (answer.status === 404) return [right(delay, check)];
  if (answer.status === 500) {
    return [
      deviates(delay, check, shown(answer), "little: 500 is taken for it; a real failure of the server looks the same"),
    ];
  }
  if (answer.status >= 200 && answer.status < 300) {
    return [
      deviates(
        delay,
        check,
        shown(answer),
        "an execution that has run is believed to be postponed: plans are off by it",
      ),
    ];
  }
  return [wrong(delay, check, shown(answer), "every execution that runs before its delay arrives counts as a failure")];
}

async function tryMalformed(ask: Ask): Promise<Finding[]> {
  const check = "answers 400 for a malformed body or a missing id";
  const bodies = [
    "",
    "{",
    "[]",
    "null",
    '"x"',
    '{"delay":1}',
    '{"id":5,"delay":1}',
    `{"id":"${unknownId}"}`,
    `{"id":"${unknownId}","delay":"1"}`,
  ];
  const others: string[] = [];
  for (const body of bodies) {
    const answer = await post(ask, body);
    if (answer.status !== 400) others.push(`${body || "no body"}: ${answer.status}`);
  }
  if (others.length === 0) return [right(delay, check)];
  return [
    deviates(
      delay,
      check,
      others.join(", ").slice(0, 200),
      "nothing: Evenkeel sends none; your own clients' mistakes stay hidden",
    ),
  ];
}

/** A server that looks for the id first says 404 to all of these, and its bound stays unseen. */
async function tryImpossible(ask: Ask): Promise<Finding[]> {
  const cases = [
    ["refuses a negative delay with 400", -1, "a client can pull work forward"],
    ["refuses a fractional delay with 400", 0.5, "what half a tick means is left to chance"],
    [
      "refuses an absurdly large delay with 400",
      1e12,
      "one mistaken request can hold an execution for ever; Evenkeel asks for no such delay",
    ],
  ] as const;
  const found: Finding[] = [];
  for (const [check, ticks, cost] of cases) {
    const answer = await post(ask, { id: unknownId, delay: ticks });
    if (answer.status === 400) found.push(right(delay, check));
    else if (answer.status === 404 || answer.status === 500) {
      found.push(
        unseen(
          delay,
          check,
          `${answer.status}: the id is looked up first, and no real execution is risked (${cost}, should it be accepted)`,
        ),
      );
    } else found.push(deviates(delay, check, shown(answer), cost));
  }
  return found;
}

async function tryMethods(ask: Ask): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const [path, allowed] of [
    ["/queued", "GET"],
    ["/resources", "GET"],
    ["/delay", "POST"],
  ] as const) {
    const others = ["GET", "POST", "PUT", "DELETE"].filter((method) => method !== allowed);
    const answers: string[] = [];
    for (const method of others) {
      const { status } = await ask(method, path, method === "GET" ? {} : { body: "{}" });
      if (status !== 405) answers.push(`${method}: ${status}`);
    }
    const check = "answers 405 to another method";
    const call = `${allowed} ${path}`;
    if (answers.length === 0) found.push(right(call, check));
    else found.push(deviates(call, check, answers.join(", "), "nothing: Evenkeel uses no other method"));
  }
  return found;
}

async function tryForeign(ask: Ask, host: string): Promise<Finding[]> {
  const call = "every call";
  const named = await ask("GET", "/queued", { headers: { host: "evil.example" } });
  const foreign = await ask("POST", "/delay", {
    body: JSON.stringify({ id: unknownId, delay: 1 }),
    headers: { host, origin: "http://evil.example" },
  });
  const refuses = (answer: Answer) =>
    answer.status === 403 || answer.status === 400 || answer.status === 421 || answer.status === 401;
  const check = (what: string) => `refuses ${what}`;
  const cost = "a page that someone on your network opens in a browser can read your queue and delay your queries";
  return [
    refuses(named)
      ? right(call, check("a foreign Host (DNS rebinding)"))
      : deviates(call, check("a foreign Host (DNS rebinding)"), shown(named), cost),
    refuses(foreign)
      ? right(call, check("a foreign Origin"))
      : deviates(call, check("a foreign Origin"), shown(foreign), cost),
  ];
}

/** @param firstEvent the data of the stream's first event; rejects when there is none */
export async function tryOptional(
  ask: Ask,
  firstEvent: () => Promise<string>,
): Promise<{ findings: Finding[]; server?: ServerInfo }> {
  const check = "describes the server (optional)";
  const answer = await ask("GET", "/server");
  const read = answer.status === 200 ? serverInfo.safeParse(parseJson(answer.text)) : undefined;
  if (!read) {
    const cost =
      "put the tap before it: it numbers and records what it sees; zero loss needs a server that numbers its executions";
    return { findings: [deviates("GET /server", check, shown(answer), cost)] };
  }
  if (!read.success) {
    const [issue] = read.error.issues;
    const seen = `${issue?.path.join(".")}: ${issue?.message}`;
    return { findings: [wrong("GET /server", check, seen, "it cannot be attached: leave the call out, or mend it")] };
  }
  const findings = [right("GET /server", check, `${read.data.serverId}, ${read.data.kind}`)];
  try {
    const hello = helloEvent.safeParse(parseJson(await firstEvent()));
    findings.push(
      hello.success
        ? right("GET /stream", "begins with hello (optional)")
        : wrong(
            "GET /stream",
            "begins with hello (optional)",
            `${hello.error.issues[0]?.message}`,
            "the scheduler cannot follow it",
          ),
    );
  } catch (error) {
    const seen = error instanceof Error ? error.message : String(error);
    findings.push(wrong("GET /stream", "begins with hello (optional)", seen, "the scheduler cannot follow it"));
  }
  findings.push(await tryPlace(ask));
  return { findings, server: read.data };
}

async function tryPlace(ask: Ask): Promise<Finding> {
  const check = "places executions, and refuses an old fence (optional)";
  const body = JSON.stringify({ fence: 0, placements: [{ id: unknownId, tick: 0 }] });
  const answer = await ask("POST", "/place", { body });
  if (answer.status === 409) return right("POST /place", check, "a scheduler with a higher fence is at work");
  if (answer.status === 401 || answer.status === 403) {
    return unseen("POST /place", check, `${answer.status}: give the server's token in EVENKEEL_SERVER_TOKEN`);
  }
  const read = placeResponse.safeParse(parseJson(answer.text));
  if (answer.status === 200 && read.success && read.data.results[0]?.outcome === "gone")
    return right("POST /place", check);
  return deviates(
    "POST /place",
    check,
    shown(answer),
    "run the scheduler with EVENKEEL_API=delay: short rolling holds instead of exact ticks",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
