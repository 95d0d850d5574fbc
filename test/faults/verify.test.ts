import { describe, expect, it } from "@jest/globals";
import { verify } from "./verify.ts";

const entry = (sequence: number, more = {}) => ({
  serverId: "s",
  incarnation: "i",
  sequence,
  epoch: "e",
  tick: sequence,
  executedAt: 0,
  executionId: `x${sequence}`,
  queryId: "q",
  ...more,
});
const ledger = [entry(1), entry(2), entry(3)];

describe("the campaign's verdict", () => {
  it("is clean when each execution stands there once", () => {
    expect(verify(ledger, ledger, 0)).toEqual({ executions: 3, lost: 0, told: 0, duplicated: 0, wrong: 0 });
  });

  it("sees a row that is missing", () => {
    expect(verify(ledger, [entry(1), entry(3)], 0)).toMatchObject({ lost: 1 });
  });

  it("finds a row that a damaged outbox has numbered anew, and whose content must be the same", () => {
    const moved = { incarnation: "j", sequence: 1 };
    expect(verify(ledger, [entry(1), entry(2), entry(3, moved)], 0)).toMatchObject({ lost: 0, wrong: 0 });
    expect(verify(ledger, [entry(1), entry(2), entry(3, { ...moved, queryId: "other" })], 0)).toMatchObject({
      lost: 1,
    });
  });

  it("takes what a damaged outbox has told for told, and no more than that", () => {
    expect(verify(ledger, [entry(3)], 1)).toMatchObject({ lost: 1, told: 1 });
  });

  it("sees an execution under two numbers", () => {
    expect(verify(ledger, [...ledger, entry(4, { executionId: "x1" })], 0)).toMatchObject({ duplicated: 1 });
  });

  it("sees other content, and what never ran", () => {
    expect(verify(ledger, [entry(1), entry(2, { queryId: "other" }), entry(3)], 0)).toMatchObject({ wrong: 1 });
    expect(verify(ledger, [...ledger, entry(9, { tick: 2 })], 0)).toMatchObject({ wrong: 1 });
  });

  it("lets the last tick before a kill be in the table alone, but not two", () => {
    expect(verify(ledger, [...ledger, entry(4)], 0)).toMatchObject({ wrong: 0 });
    expect(verify(ledger, [...ledger, entry(4), entry(5)], 0)).toMatchObject({ wrong: 1 });
  });
});
