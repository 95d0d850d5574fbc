import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import { executionItem, gapItem, rowHash, tombstoneItem } from "../../../platform/tables/executions.ts";
import type { ExecutionRow } from "../../../platform/wire.ts";

// 1795251599999 ms is 2026-11-21T08:59:59.999Z (date -u -d @1795251599).
const row: ExecutionRow = {
  type: "execution",
  sequence: 42,
  epoch: "epoch-1",
  executionId: "x",
  queryId: "q",
  arrivedAt: 1_795_251_599_899,
  executedAt: 1_795_251_599_999,
  tick: 7,
  delayTicks: 1,
};

describe("an execution's item", () => {
  it("has a key of server, query and hour, then time, incarnation, sequence and hash", () => {
    const hash = createHash("sha256")
      .update(
        '{"arrivedAt":1795251599899,"delayTicks":1,"epoch":"epoch-1","executedAt":1795251599999,' +
          '"executionId":"x","queryId":"q","sequence":42,"tick":7,"type":"execution"}',
      )
      .digest("hex");
    expect(executionItem("s", "i", row, 60)).toEqual({
      key: "s#q#2026-11-21T08",
      at: `1795251599999#i#000000000042#${hash.slice(0, 12)}`,
      format: 1,
      incarnation: "i",
      sequence: 42,
      epoch: "epoch-1",
      executionId: "x",
      queryId: "q",
      arrivedAt: 1_795_251_599_899,
      executedAt: 1_795_251_599_999,
      tick: 7,
      delayTicks: 1,
      expiresAt: 1_795_251_659,
    });
  });

  it("has the same hash however the row's fields are ordered, and another for another content", () => {
    const { tick, ...others } = row;
    const reordered: ExecutionRow = { tick, ...others };
    expect(rowHash(reordered)).toBe(rowHash(row));
    expect(rowHash({ ...row, delayTicks: 2 })).not.toBe(rowHash(row));
  });

  it("sorts by time even when the number of digits differs", () => {
    const early = executionItem("s", "i", { ...row, executedAt: 999_999_999_999 }, 60);
    expect(early.at < executionItem("s", "i", row, 60).at).toBe(true);
  });
});

describe("tombstones and gaps", () => {
  it("stand beside executions, under their incarnation", () => {
    expect(tombstoneItem("s", "i", 3, "bad", 5_000, 60)).toMatchObject({ key: "s#i#tombstones", at: "000000000003" });
    const gap = { type: "gap", sequence: 3, epoch: "e", from: 1_000, to: 2_000, reason: "away" } as const;
    expect(gapItem("s", "i", gap, 60)).toMatchObject({ key: "s#i#gaps", at: expect.stringMatching(/^000000000003#/) });
  });
});
