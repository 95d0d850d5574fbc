import { appendFileSync, mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, truncateSync } from "node:fs";
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

  it("begins another file when one is full, and keeps the newest of them", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "ledger.log");
    const removed: string[] = [];
    const options = { fileBytes: 200, keptFiles: 2, onRemoved: (name: string) => removed.push(name) };
    const run = (ledger: Ledger, from: number, to: number) => {
      for (let tick = from; tick < to; tick++) {
        const sequences = { incarnation: "i", first: tick + 1 };
        ledger.append({ tick, at: tick, sequences, executed: ran(`x${tick}`) });
      }
      ledger.close();
    };
    run(new Ledger(file, "e1", "s", options), 0, 60);
    run(new Ledger(file, "e2", "s", options), 60, 120);
    const left = await entries(file);
    const first = left[0]?.tick ?? 0;
    expect(first).toBeGreaterThan(60);
    expect(left).toEqual(
      Array.from({ length: 120 - first }, (_, index) => {
        const tick = first + index;
        const of = { serverId: "s", epoch: "e2", incarnation: "i", sequence: tick + 1, tick, executedAt: tick };
        return { ...of, executionId: `x${tick}`, queryId: `q${String(tick).at(-1)}` };
      }),
    );
    expect(readdirSync(directory.path)).toHaveLength(3);
    expect(removed.map((name) => name.slice(file.length))).toEqual(removed.map((_, index) => `.${index + 1}`));
    for (const name of readdirSync(directory.path)) expect(statSync(join(directory.path, name)).size).toBeLessThan(300);
  });

  it("can be written to again after it could not begin another file, and loses nothing", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "ledger.log");
    const ledger = new Ledger(file, "e", "s", { fileBytes: 10 });
    mkdirSync(`${file}.next`);
    const tick = { tick: 0, at: 1, sequences: { incarnation: "i", first: 1 }, executed: ran("x1") };
    expect(() => ledger.append(tick)).toThrow("EISDIR");
    rmdirSync(`${file}.next`);
    ledger.append(tick);
    ledger.append({ ...tick, tick: 1, sequences: { incarnation: "i", first: 2 }, executed: ran("y1") });
    ledger.close();
    expect((await entries(file)).map(({ executionId }) => executionId)).toEqual(["x1", "y1"]);
  });

  it("refuses a file that is not a ledger", async () => {
    using directory = temporaryDirectory();
    const file = join(directory.path, "other.txt");
    appendFileSync(file, "int main() { return 0;\n}\nx = 1;\n");
    await expect(entries(file)).rejects.toThrow("not a line of a ledger");
  });
});
