import { describe, expect, it } from "@jest/globals";
import type { Clock } from "../../../platform/clock.ts";
import { type Conformance, conform } from "../../../platform/conformance/conform.ts";
import type { Verdict } from "../../../platform/conformance/findings.ts";
import { type Misbehaviour, PlainServer } from "../../support/plain-server.ts";

/** Time that passes only by being waited for. */
class OwnTime implements Clock {
  #passed = 0.5;
  now = () => Math.floor(1_795_251_600_000 + this.#passed);
  monotonic = () => this.#passed;
  sleep = async (ms: number) => this.pass(ms);
  pass(ms: number): void {
    this.#passed += Math.max(0, ms);
  }
}

async function test(behaviour: Partial<Misbehaviour>, mayDelay = true): Promise<Conformance & { posts: string[] }> {
  const clock = new OwnTime();
  const server = new PlainServer(clock, behaviour);
  const posts: string[] = [];
  const { answerMs } = server.behaviour;
  const conformance = await conform({
    ask: async (method, path, { body = "", headers = {} } = {}) => {
      if (method === "POST" && path === "/delay") posts.push(body);
      clock.pass(answerMs / 2);
      const answer = server.answer(method, path, body, headers);
      clock.pass(answerMs / 2);
      return answer;
    },
    clock,
    tickMs: 100,
    windowMs: 1_000,
    watchMs: 12_000,
    host: "127.0.0.1:9000",
    mayDelay,
    firstEvent: () => Promise.reject(new Error("none")),
  });
  return { ...conformance, posts };
}

const notRight = ({ findings }: Conformance) =>
  findings
    .filter(({ verdict }) => verdict !== "right")
    .map(({ call, check, verdict }) => `${verdict}: ${call} ${check}`);

/** What every plain server lacks. */
const plain = "deviates: GET /server describes the server (optional)";

describe("a server that behaves", () => {
  it("has nothing but what the tap is for", async () => {
    const conformance = await test({});
    expect(notRight(conformance)).toEqual([plain]);
    expect(conformance.verdict).toBe("usable");
    expect(conformance.findings.length).toBeGreaterThan(18);
  });

  it("is not asked to delay anything real when that is not wanted", async () => {
    const { posts, findings } = await test({}, false);
    expect(posts.filter((body) => body.includes("execution-"))).toEqual([]);
    expect(findings.some(({ check }) => check.startsWith("postpones"))).toBe(false);
    const { posts: tried } = await test({});
    expect(tried.filter((body) => body.includes("execution-")).length).toBeGreaterThanOrEqual(3);
  });
});

const known: readonly (readonly [
  name: string,
  behaviour: Partial<Misbehaviour>,
  found: readonly [Verdict, string][],
  verdict: Conformance["verdict"],
])[] = [
  [
    "500 for unknown ids",
    { unknownIs: 500 },
    [["deviates", "POST /delay answers 404 for an id that is unknown or has run"]],
    "usable",
  ],
  ["no stamps", { stamps: false }, [["deviates", "GET /queued stamps executions with their ticks"]], "usable"],
  ["jittered windows", { windowJitterMs: 200 }, [["deviates", "GET /resources windows are of one length"]], "usable"],
  [
    "timestamps that are off",
    { timestampsOff: true },
    [["deviates", "GET /queued tells when each execution will run"]],
    "usable",
  ],
  [
    "an unbounded delay",
    { boundsDelay: false },
    [["deviates", "POST /delay refuses an absurdly large delay"]],
    "usable",
  ],
  ["[] instead of 204", { emptyIs: 200 }, [["deviates", "GET /queued answers 204"]], "usable"],
  [
    "negative and fractional delays",
    { refusesNegative: false },
    [
      ["deviates", "POST /delay refuses a negative delay"],
      ["deviates", "POST /delay refuses a fractional delay"],
    ],
    "usable",
  ],
  ["200 for unknown ids", { unknownIs: 200 }, [["deviates", "POST /delay answers 404 for an id"]], "usable"],
  ["418 for unknown ids", { unknownIs: 418 }, [["wrong", "POST /delay answers 404 for an id"]], "unusable"],
  [
    "500 for malformed bodies",
    { malformedIs: 500 },
    [["deviates", "POST /delay answers 400 for a malformed body"]],
    "usable",
  ],
  [
    "any method",
    { refusesMethods: false },
    [
      ["deviates", "GET /queued answers 405"],
      ["deviates", "GET /resources answers 405"],
      ["deviates", "POST /delay answers 405"],
    ],
    "usable",
  ],
  [
    "any Host and Origin",
    { refusesForeign: false },
    [
      ["deviates", "every call refuses a foreign Host"],
      ["deviates", "every call refuses a foreign Origin"],
    ],
    "usable",
  ],
  [
    "delays without effect",
    { delay: "nothing" },
    [
      ["wrong", "POST /delay postpones"],
      ["wrong", "POST /delay adds"],
    ],
    "unusable",
  ],
  ["a delay that is set, not added", { delay: "sets" }, [["wrong", "POST /delay adds"]], "unusable"],
  [
    "delays in another unit",
    { delay: "twice" },
    [
      ["wrong", "POST /delay postpones"],
      ["wrong", "POST /delay adds"],
    ],
    "unusable",
  ],
  ["metrics that stand still", { metrics: "frozen" }, [["wrong", "GET /resources is refreshed"]], "unusable"],
  [
    "metrics that are fractions",
    { metrics: "fractions" },
    [["deviates", "GET /resources numbers are integers"]],
    "usable",
  ],
  ["metrics without a timestamp", { metrics: "no timestamp" }, [["wrong", "GET /resources answers {cpu"]], "unusable"],
  ["metrics in disorder", { metrics: "min above average" }, [["wrong", "GET /resources min <= average"]], "unusable"],
  [
    "executions twice in one answer",
    { queue: "twice" },
    [["wrong", "GET /queued names each execution once"]],
    "unusable",
  ],
];

describe("each known deviation", () => {
  it.each(known)("%s is found, and nothing else", async (_, behaviour, found, verdict) => {
    const conformance = await test(behaviour);
    const others = notRight(conformance).filter((line) => line !== plain);
    expect(others).toEqual(found.map(([kind, what]) => expect.stringContaining(`${kind}: ${what}`)));
    expect(conformance.verdict).toBe(verdict);
    for (const finding of conformance.findings) {
      if (finding.verdict === "deviates" || finding.verdict === "wrong") {
        expect(finding.cost?.length).toBeGreaterThan(5);
        expect(finding.seen?.length).toBeGreaterThan(1);
      }
    }
  });

  it("a queue of another form leaves the rest to be told", async () => {
    const conformance = await test({ queue: "no ids" });
    expect(notRight(conformance)[0]).toContain("wrong: GET /queued answers an array");
    expect(conformance.verdict).toBe("unusable");
  });

  it.each([true, false])("a scheduler at work is no fault of the server's (stamps: %s)", async (stamps) => {
    const conformance = await test({ scheduled: 8, stamps });
    const { findings, verdict } = conformance;
    const trials = findings.filter(({ check }) => /^(postpones|adds)/.test(check));
    expect(trials).toHaveLength(2);
    for (const { verdict: one, seen } of trials) {
      if (one !== "right") expect([one, seen]).toEqual(["unseen", expect.stringContaining("stop the scheduler")]);
    }
    expect(trials.some((trial) => trial.verdict === "unseen")).toBe(true);
    expect(verdict).toBe("usable");
  });

  it("a slow server is told", async () => {
    expect(notRight(await test({ answerMs: 60 }))).toContain("deviates: GET /queued answers within a third of a tick");
  });

  it("longer ticks are told", async () => {
    expect(notRight(await test({ tickMs: 200 })).join()).toContain("wrong: POST /delay postpones");
  });
});
