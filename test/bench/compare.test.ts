import { join } from "node:path";
import { expect, it } from "@jest/globals";
import { compare } from "../../bench/capture/compare.ts";
import { executionItem } from "../../platform/tables/executions.ts";
import { Ledger } from "../../sim-server/database/ledger.ts";
import { askedFor, documentAnsweredBy } from "../support/document.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const executedAt = Date.UTC(2026, 0, 1);
const item = (sequence: number, executionId = `x${sequence}`, tick = 1) =>
  executionItem(
    "s",
    "i",
    {
      type: "execution",
      sequence,
      epoch: "e",
      executionId,
      queryId: `q${sequence}`,
      arrivedAt: 1,
      executedAt,
      tick,
      delayTicks: 0,
    },
    1,
  );

/** Three executions in the ledger, and `items` in the table. */
async function compared(items: readonly ReturnType<typeof item>[]) {
  using directory = temporaryDirectory();
  const file = join(directory.path, "ledger.log");
  const ledger = new Ledger(file, "e", "s");
  const executed = [1, 2, 3].map((sequence) => ({ id: `x${sequence}`, queryId: `q${sequence}` }));
  ledger.append({ tick: 1, at: executedAt, sequences: { incarnation: "i", first: 1 }, executed });
  ledger.close();
  const document = documentAnsweredBy((_, input) => {
    const { partition } = askedFor(input);
    return { Items: items.filter(({ key }) => key === partition) };
  });
  return await compare(document, "t", "s", file);
}

it.each([
  ["everything is there once", [item(1), item(2), item(3)], { lost: 0, duplicated: 0 }],
  ["a row is missing", [item(1), item(3)], { lost: 1, duplicated: 0 }],
  ["a row stands twice", [item(1), item(2), item(3), item(3)], { lost: 0, duplicated: 1 }],
  ["a row is not what was executed", [item(1), item(2, "x2", 7), item(3)], { lost: 1, duplicated: 1 }],
  [
    "a row stands beside another of its number",
    [item(1, "other"), item(1), item(2), item(3)],
    { lost: 0, duplicated: 1 },
  ],
])("bench capture sees when %s", async (_, items, expected) => {
  expect(await compared(items)).toEqual(expected);
});
