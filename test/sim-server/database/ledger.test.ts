import { appendFileSync, readFileSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { type LedgerEntry, readLedger } from "../../../platform/ledger-file.ts";
import { Ledger } from "../../../sim-server/database/ledger.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

async function entries(file: string): Promise<LedgerEntry[]> {
  return Array.fromAsync(readLedger(file));
}

const ran = (...ids: string[]) => ids.map((id) => ({ id, queryId: `q${id.at(-1)}` }));

describe("the ledger", () => {
  it("gives back what was written, over restarts and incarnations, and nothing for empty ticks", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "ledger.log");
    const first = new Ledger(file, "e1", "s");
    first.append({ tick: 0, at: 100, sequences: { incarnation: "i1", first: 1 }, executed: ran("x1", "x2") });
    first.append({ tick: 1, at: 200, sequences: undefined, executed: [] });
    first.append({ tick: 2, at: 300, sequences: { incarnation: "i2", first: 1 }, executed: ran("y1") });
    first.close();
    const second = new Ledger(file, "e2", "s");
    second.append({ tick: 0, at: 400, sequences: undefined, executed: ran("z2") });
    second.close();
    const common = { serverId: "s" };
    expect(await entries(file)).toEqual([
      {
        ...common,
        epoch: "e1",
        incarnation: "i1",
        sequence: 1,
        tick: 0,
        executedAt: 100,
        queryId: "q1",
        executionId: "x1",
      },
      {
        ...common,
        epoch: "e1",
        incarnation: "i1",
        sequence: 2,
        tick: 0,
        executedAt: 100,
        queryId: "q2",
        executionId: "x2",
      },
      {
        ...common,
        epoch: "e1",
        incarnation: "i2",
        sequence: 1,
        tick: 2,
        executedAt: 300,
        queryId: "q1",
        executionId: "y1",
      },
      {
        ...common,
        epoch: "e2",
        incarnation: undefined,
        sequence: undefined,
        tick: 0,
        executedAt: 400,
        queryId: "q2",
        executionId: "z2",
      },
    ]);
  });

  it("leaves out the line that a kill cut off anywhere, and only that", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "ledger.log");
    const ledger = new Ledger(file, "e1", "s");
    ledger.append({ tick: 0, at: 100, sequences: { incarnation: "i1", first: 1 }, executed: ran("x1") });
    const whole = statSync(file).size;
    ledger.append({ tick: 1, at: 200, sequences: { incarnation: "i1", first: 2 }, executed: ran("x2", "y2") });
    ledger.close();
    const end = statSync(file).size;
    for (let size = end - 2; size >= whole; size--) {
      truncateSync(file, size);
      expect((await entries(file)).map(({ executionId }) => executionId)).toEqual(["x1"]);
    }
    truncateSync(file, whole);
    appendFileSync(file, "tick 1 200 2 0:x");
    const next = new Ledger(file, "e2", "s");
    next.append({ tick: 0, at: 300, sequences: { incarnation: "i1", first: 3 }, executed: ran("z1") });
    next.close();
    expect((await entries(file)).map(({ executionId }) => executionId)).toEqual(["x1", "z1"]);
    expect(readFileSync(file, "utf8")).toContain("0:x\nepoch e2 s;");
  });

  it("refuses a file that is not a ledger", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "other.txt");
    appendFileSync(file, "int main() { return 0;\n}\nx = 1;\n");
    await expect(entries(file)).rejects.toThrow("not a line of a ledger");
  });
});
