import { describe, expect, it } from "@jest/globals";
import { readWindows, storedWindow, windowItem, windowItemSchema } from "../../../platform/tables/windows.ts";
import type { WindowRow } from "../../../platform/wire.ts";
import { askedFor, documentAnsweredBy } from "../../support/document.ts";

const band = { average: 50, min: 10, max: 90 };
const row: WindowRow = {
  type: "window",
  sequence: 9,
  epoch: "e",
  endedAt: 1_795_251_599_999,
  tickMs: 100,
  firstTick: 20,
  bounds: "exact",
  metrics: { cpu: band, io: band, memory: band },
  queries: ["a", "b"],
  ticks: [[0, 1, 0], [], [1]],
};

describe("a window's item", () => {
  it("holds what ran per tick in one line", () => {
    expect(windowItem("s", "i", row, 60)).toMatchObject({ key: "s#2026-11-21T08", ticks: "0,1,0;;1" });
  });

  it("gives the window back as the estimator takes it", () => {
    const item = windowItem("s", "i", row, 60);
    expect(storedWindow(item)).toMatchObject({ key: item.at, firstTick: 20, ticks: [["a", "b", "a"], [], ["b"]] });
  });

  it("keeps a single empty tick", () => {
    expect(storedWindow(windowItem("s", "i", { ...row, ticks: [[]] }, 60)).ticks).toEqual([[]]);
  });
});

describe("the item of a window with executions that last", () => {
  const lasting: WindowRow = {
    ...row,
    active: [
      { query: 1, from: 0, to: 250.5, durationMs: 1_800 },
      { query: 0, from: 10, to: 300, durationMs: null },
      { query: 0, from: 110, to: 115, durationMs: 5, times: 70 },
    ],
    usage: { cpu: [100, 0, 33.25], io: [0, 1e-7, 2], memory: [64, 64, 64] },
  };

  it("gives them back with their queries, and the usage of each tick", () => {
    const item = windowItem("s", "i", lasting, 60);
    expect(item).toMatchObject({ active: "1,0,250.5,1800;0,10,300,;0,110,115,5,70", usage: { io: "0,1e-7,2" } });
    expect(windowItemSchema.parse(item)).toEqual(item);
    expect(storedWindow(item)).toMatchObject({
      active: [
        { queryId: "b", from: 0, to: 250.5, durationMs: 1_800 },
        { queryId: "a", from: 10, to: 300, durationMs: null },
        { queryId: "a", from: 110, to: 115, durationMs: 5, times: 70 },
      ],
      usage: lasting.usage,
    });
  });

  it("tells that nothing ran from that it is not known what ran", () => {
    const none = { cpu: [], io: [], memory: [] };
    const empty = storedWindow(windowItem("s", "i", { ...row, active: [], usage: none }, 60));
    expect(empty).toMatchObject({ active: [], usage: none });
    const unknown = storedWindow(windowItem("s", "i", row, 60));
    expect([unknown.active, unknown.usage]).toEqual([undefined, undefined]);
  });

  it.each(["2,0,1,5", "0,0,1", "0,0,,5", "0,0,1,5,6,7", "0,0,1,5,", "0,0,1,e"])(
    "is not read when damaged: %s",
    async (active) => {
      const item = { ...windowItem("s", "i", lasting, 60), active };
      const document = documentAnsweredBy(() => ({ Items: [item] }));
      const { windows, unreadable } = await readWindows(document, "t", "s", row.endedAt, row.endedAt);
      expect([windows, unreadable.length]).toEqual([[], 1]);
    },
  );
});

describe("readWindows", () => {
  it("asks each hour between the times, and leaves out what it cannot read", async () => {
    const good = windowItem("s", "i", row, 60);
    const partitions: unknown[] = [];
    const document = documentAnsweredBy((_, input) => {
      const asked = askedFor(input);
      partitions.push(asked);
      if (asked.partition.endsWith("T08")) return { Items: [good, { ...good, at: "future", format: 2 }] };
      return { Items: [{ ...good, at: "damaged", ticks: "0;2" }] };
    });
    const { windows, unreadable } = await readWindows(document, "t", "s", row.endedAt, row.endedAt + 1);
    expect(partitions).toEqual([
      { partition: "s#2026-11-21T08", from: "1795251599999", to: "1795251600000~" },
      { partition: "s#2026-11-21T09", from: "1795251599999", to: "1795251600000~" },
    ]);
    expect(windows.map(({ key }) => key)).toEqual([good.at]);
    expect(unreadable).toEqual([
      { table: "t", key: "s#2026-11-21T08 future", problem: expect.stringContaining("format") },
      { table: "t", key: "s#2026-11-21T08 damaged", problem: expect.stringContaining("no query 2 of 2") },
    ]);
  });
});
