import { describe, expect, it } from "@jest/globals";
import { isLong, size } from "../support/size.ts";
import { explore } from "./explore.ts";
import { type Mutant, Protocol } from "./protocol.ts";
import type { Bounds } from "./state.ts";

const small: Bounds = { events: 2, faults: 1, sends: 1, messages: 1 };
const twoFaults: Bounds = { ...small, faults: 2 };
const twoTables: Bounds = { ...small, twoTables: true };
const larger: Bounds = { events: 2, faults: 2, sends: 2, messages: 2 };

const mutants: readonly (readonly [Mutant, Bounds?])[] = [
  ["recorded up to the greatest seen", larger],
  ["trimmed on what a restore takes back"],
  ["synchronous=NORMAL"],
  ["synchronous=NORMAL, and no new incarnation"],
  ["no new incarnation after a lost tail"],
  ["no mark beside the file"],
  ["receipts beyond the file not looked for"],
  ["what is to be compared forgotten at a restart", twoFaults],
  ["no AUTOINCREMENT"],
  ["receipts apart from their rows"],
  ["receipts in one of two tables", twoTables],
  ["receipt before its rows"],
  ["receipt for the whole message, poison included"],
  ["receipt after part of the rows"],
  ["receipt keyed without the incarnation"],
  ["receipts remembered though they are gone"],
  ["only what is under way looked up again"],
  ["recorded when the queue has taken it"],
  ["the same dedup id on a resend"],
  ["the same group on a resend"],
  ["a tombstone taken for a receipt"],
  ["repaired rows numbered anew"],
  ["executed before it is on disk"],
  ["retraction of what is no longer held"],
];

describe("the capture protocol", () => {
  it("loses nothing and counts nothing twice, in whatever order things happen, with one fault", () => {
    const { states, complete, counterexample } = explore(new Protocol(small), 1_000_000);
    expect(counterexample).toBeUndefined();
    expect({ states, complete }).toEqual({ states: 13_841, complete: true });
  }, 60_000);

  it("nor with two tables, each lost or restored alone, of which both have the receipts", () => {
    const { states, complete, counterexample } = explore(new Protocol(twoTables), 1_000_000);
    expect(counterexample).toBeUndefined();
    expect({ states, complete }).toEqual({ states: 28_819, complete: true });
  }, 120_000);

  (isLong ? it : it.skip)(
    "nor with two tables and two faults",
    () => {
      const { states, complete, counterexample } = explore(
        new Protocol({ ...twoTables, faults: 2 }),
        Number.POSITIVE_INFINITY,
      );
      expect({ states, complete, counterexample }).toEqual({
        states: 250_934,
        complete: true,
        counterexample: undefined,
      });
    },
    3_600_000,
  );

  it(
    "nor with two, rows sent again and two messages on their way",
    () => {
      const { states, complete, counterexample } = explore(
        new Protocol(larger),
        size({ slice: 10_000, full: Number.POSITIVE_INFINITY }),
      );
      expect(counterexample).toBeUndefined();
      expect({ states, complete }).toEqual({
        states: size({ slice: 10_000, full: 1_088_267 }),
        complete: isLong,
      });
    },
    size({ slice: 60_000, full: 3_600_000 }),
  );

  it.each(mutants)(
    "would if it had: %s",
    (mutant, bounds = small) => {
      const { counterexample } = explore(new Protocol(bounds, mutant), 30_000);
      expect(counterexample).toMatchObject({ broken: expect.any(String), moves: expect.any(Array) });
    },
    60_000,
  );
});
