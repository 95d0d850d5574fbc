import { createHash } from "node:crypto";
import { describe, expect, it } from "@jest/globals";
import {
  executionItem,
  gapItem,
  placeOf,
  readExecutions,
  rowHash,
  tombstoneItem,
} from "../../../platform/tables/executions.ts";
import { receiptItem } from "../../../platform/tables/receipts.ts";
import { windowItem } from "../../../platform/tables/windows.ts";
import type { ExecutionRow } from "../../../platform/wire.ts";
import { documentAnsweredBy } from "../../support/document.ts";
import { windowRow } from "../../support/rows.ts";

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
      format: "execution/2",
      executionId: "x",
      queryId: "q",
      arrivedAt: "2026-11-21T08:59:59.899Z",
      executedAt: "2026-11-21T08:59:59.999Z",
      delayTicks: 1,
      epoch: "epoch-1",
      tick: 7,
      expiresAt: 1_795_251_659,
    });
  });

  it("keeps how long it ran where that is known", async () => {
    const document = documentAnsweredBy(() => ({
      Items: [executionItem("s", "i", { ...row, durationMs: 1_800 }, 60)],
    }));
    const { executions } = await readExecutions(document, "t", "s", "q", row.executedAt, row.executedAt);
    expect(executions).toMatchObject([{ executionId: "x", durationMs: 1_800 }]);
  });

  it("is read as the row that it was, in this format and in the one before; others are told", async () => {
    const item = executionItem("s", "i", row, 60);
    const { type: _, ...fields } = row;
    const before = { ...fields, key: item.key, at: item.at, format: 1, incarnation: "i", expiresAt: item.expiresAt };
    const others = [
      { ...item, format: "execution/3" },
      { ...item, at: "1795251599999#i#42" },
      { ...item, tick: "7" },
    ];
    const document = documentAnsweredBy(() => ({ Items: [item, before, ...others] }));
    const { executions, unreadable } = await readExecutions(document, "t", "s", "q", row.executedAt, row.executedAt);
    expect(executions).toEqual([1, 2].map(() => ({ ...fields, key: item.key, at: item.at, incarnation: "i" })));
    expect(unreadable.map(({ problem }) => problem)).toEqual([
      expect.stringContaining("format"),
      expect.stringContaining("at: "),
      expect.stringContaining("tick"),
    ]);
  });

  it("says of which outbox which row it is, as a window and a gap do; receipts and tombstones do not", () => {
    const gap = { type: "gap", sequence: 3, epoch: "e", from: 1_000, to: 2_000, reason: "away" } as const;
    expect(placeOf(executionItem("s", "i", row, 60))).toEqual({ incarnation: "i", sequence: 42 });
    expect(placeOf(windowItem("s", "i", windowRow(8), 60))).toEqual({ incarnation: "i", sequence: 8 });
    expect(placeOf(gapItem("s", "i", gap, 60))).toEqual({ incarnation: "i", sequence: 3 });
    expect(placeOf(receiptItem("s", "i", { first: 3, last: 12 }, 5_000, 60, 0))).toBeUndefined();
    expect(placeOf(tombstoneItem("s", "i", 3, "bad", 5_000, 60))).toBeUndefined();
  });

  it("has the same hash however the row's fields are ordered, and another for another content", () => {
    const { tick, ...others } = row;
    const reordered: ExecutionRow = { tick, ...others };
    expect(rowHash(reordered)).toBe(rowHash(row));
    expect(rowHash({ ...row, delayTicks: 2 })).not.toBe(rowHash(row));
    const lasting = { ...row, durationMs: 5, epoch: 'e"' };
    const sorted = JSON.stringify(Object.fromEntries(Object.entries(lasting).sort(([a], [b]) => (a < b ? -1 : 1))));
    expect(rowHash(lasting)).toBe(createHash("sha256").update(sorted).digest("hex").slice(0, 12));
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
