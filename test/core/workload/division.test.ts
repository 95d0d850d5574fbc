import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { divide, type Member } from "../../../core/workload/division.ts";

const names = (prefix: string, count: number) => Array.from({ length: count }, (_, index) => `${prefix}-${index + 1}`);
const members = (...capacities: number[]): Member[] =>
  capacities.map((capacity, index) => ({ name: `ip-10-0-0-${index + 1}`, capacity }));
function counts(of: ReadonlyMap<string, string>): Record<string, number> {
  const count: Record<string, number> = {};
  for (const member of of.values()) count[member] = (count[member] ?? 0) + 1;
  return count;
}

describe("dividing servers among processes", () => {
  it("gives each server to exactly one, nobody more than an even share or his capacity, and says what is left", () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.string({ minLength: 1, maxLength: 8 }), { maxLength: 60 }),
        fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
        (servers, capacities) => {
          const of = members(...capacities);
          const room = capacities.reduce((sum, capacity) => sum + capacity, 0);
          const divided = divide(servers, of);
          expect([...divided.of.keys(), ...divided.left].sort()).toEqual(servers.toSorted());
          expect(divided.left).toHaveLength(Math.max(0, servers.length - room));
          const taken = of.map(({ name, capacity }) => ({ capacity, took: counts(divided.of)[name] ?? 0 }));
          const most = Math.max(0, ...taken.map(({ took }) => took));
          for (const { capacity, took } of taken) {
            expect(took).toBeLessThanOrEqual(capacity);
            // Who has less than others by more than the rest of a division has no room.
            if (divided.left.length === 0 && took < most - of.length) expect(took).toBe(capacity);
          }
        },
      ),
      { numRuns: 200, seed: 1 },
    );
  });

  it("is the same whoever works it out, in whatever order he knows the others", () => {
    const servers = names("server", 40);
    const of = members(30, 30, 30);
    expect(divide(servers.toReversed(), of.toReversed()).of).toEqual(new Map(divide(servers, of).of));
  });

  it("moves to one that joins little more than his share, and leaves the rest where it was", () => {
    const servers = names("server", 300);
    const before = divide(servers, members(300, 300, 300));
    const after = divide(servers, members(300, 300, 300, 300));
    const moved = servers.filter((server) => before.of.get(server) !== after.of.get(server));
    const joined = servers.filter((server) => after.of.get(server) === "ip-10-0-0-4");
    expect(joined).toHaveLength(75);
    expect(moved.length).toBeLessThan(1.5 * joined.length);
    // Dividing by position would move three quarters.
    const byPosition = servers.filter((_, index) => index % 3 !== index % 4);
    expect(byPosition.length).toBeGreaterThan(2 * moved.length);
  });

  it("fills the small ones and divides the rest evenly", () => {
    expect(counts(divide(names("server", 50), members(5, 100, 100)).of)).toEqual({
      "ip-10-0-0-1": 5,
      "ip-10-0-0-2": expect.any(Number),
      "ip-10-0-0-3": expect.any(Number),
    });
    expect(divide(names("server", 50), members(5, 100, 100)).left).toEqual([]);
  });
});
