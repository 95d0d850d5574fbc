import { describe, expect, it } from "@jest/globals";
import { parseMessage } from "../../../../lambdas/workload/record-executions/parse-message.ts";

const execution = (sequence: unknown, more: object = {}) => ({
  type: "execution",
  sequence,
  epoch: "e",
  executionId: "x",
  queryId: "q",
  arrivedAt: 1,
  executedAt: 2,
  tick: 3,
  delayTicks: 4,
  ...more,
});
const envelope = (rows: unknown, more: object = {}) => ({
  format: "evenkeel.batch/1",
  serverId: "s",
  incarnation: "i",
  base: 1,
  first: 1,
  last: 3,
  rows,
  ...more,
});
const parse = (message: unknown) => parseMessage(JSON.stringify(message));

describe("parseMessage", () => {
  it("takes a batch with all its rows", () => {
    const rows = [execution(1), execution(2), execution(3)];
    expect(parse(envelope(rows))).toEqual({ type: "batch", envelope: envelope(rows), rows, poison: [] });
  });

  it.each([
    ["broken JSON", '{"format":', /^not JSON$/],
    ["another kind of message", '{"hello":"world"}', /^not a batch of ours: format: /],
    ["a later format", JSON.stringify(envelope([execution(1)], { format: "evenkeel.batch/2" })), /format: /],
    ["an unknown field", JSON.stringify(envelope([execution(1)], { colour: "red" })), /Unrecognized key: "colour"/],
    ["a wrong type", JSON.stringify(envelope([execution(1)], { first: "1" })), /first: .*expected number/],
    ["no rows", JSON.stringify(envelope([])), /rows: /],
    ["an empty range", JSON.stringify(envelope([execution(1)], { first: 4 })), /^the range 4\.\.3 is empty$/],
    ["an id that would break a key", JSON.stringify(envelope([execution(1)], { serverId: "a#b" })), /serverId: .*'#'/],
  ])("says why %s is not ours", (_, body, reason) => {
    expect(parseMessage(body)).toEqual({ type: "foreign", reason: expect.stringMatching(reason) });
  });

  it.each([
    ["an unknown field", execution(2, { colour: "red" }), /Unrecognized key: "colour"/],
    ["a wrong type", execution(2, { tick: "3" }), /tick: /],
    ["a fractional count", execution(2, { delayTicks: 0.5 }), /delayTicks: /],
    ["a negative count", execution(2, { delayTicks: -1 }), /delayTicks: /],
    ["a time that keys cannot hold", execution(2, { executedAt: 1e13 }), /executedAt: /],
    ["an unknown type", { ...execution(2), type: "rumour" }, /type: /],
    ["a number outside the range", execution(4), /^sequence 4 is not in 1\.\.3$/],
    ["no number", execution(undefined), /sequence: /],
    ["no object", 17, /./],
  ])("keeps the neighbours of a row with %s, and buries it under its number", (_, row, reason) => {
    const parsed = parse(envelope([execution(1), row, execution(3)]));
    expect(parsed).toMatchObject({
      type: "batch",
      rows: [{ sequence: 1 }, { sequence: 3 }],
      poison: [{ sequence: 2, reason: expect.stringMatching(reason) }],
    });
  });

  it("does not guess the number of an unnumbered row where rows are missing", () => {
    const parsed = parse(envelope([execution(1), 17]));
    expect(parsed).toMatchObject({ poison: [{ row: 17, sequence: undefined }] });
  });

  describe("of a window", () => {
    const band = { average: 1, min: 1, max: 1 };
    const window = {
      ...{ type: "window", sequence: 1, epoch: "e", endedAt: 1, tickMs: 100, firstTick: 0, bounds: "exact" },
      metrics: { cpu: band, io: band, memory: band },
      queries: ["q"],
      ticks: [[0], []],
    };
    const usage = { cpu: [150.5, 0], io: [0, 8], memory: [64, 64] };
    const active = { query: 0, from: 12.5, to: 200, durationMs: 340 };

    it("takes what ran through it and what it used, as it comes", () => {
      const lasting = { ...window, active: [active, { ...active, durationMs: null }], usage };
      expect(parse(envelope([lasting]))).toMatchObject({ rows: [lasting], poison: [] });
    });

    it.each([
      ["ticks that name queries that it does not list", { ticks: [[0], [1]] }, /no query 1 of 1/],
      ["executions of queries that it does not list", { active: [{ ...active, query: 1 }] }, /no query 1 of 1/],
      ["usage of other ticks than its own", { usage: { ...usage, io: [1] } }, /usage is not of 2 ticks/],
      ["negative usage", { usage: { ...usage, cpu: [1, -1] } }, /usage\.cpu/],
      ["usage that is not measured", { usage: { cpu: [1, 2] } }, /usage\.io/],
      ["executions with fields that it does not know", { active: [{ ...active, cost: 1 }] }, /active\.0/],
    ])("refuses %s", (_, wrong, reason) => {
      const parsed = parse(envelope([{ ...window, ...wrong }]));
      expect(parsed).toMatchObject({ rows: [], poison: [{ reason: expect.stringMatching(reason) }] });
    });
  });
});
