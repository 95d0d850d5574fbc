import { describe, expect, it } from "@jest/globals";
import { createLease, type LeaseItem, type LeaseOptions, type LeaseStore } from "../../platform/lease.ts";
import { FakeClock } from "../support/clock.ts";

/** The table's item, with the table's rules. `fail` makes the next calls fail, before or after they took effect. */
function memoryStore() {
  let item: LeaseItem | undefined;
  const failures: ("before" | "after")[] = [];
  const effect = async <Result>(action: () => Result): Promise<Result> => {
    const failure = failures.shift();
    if (failure === "before") throw new Error("the table does not answer");
    const result = action();
    if (failure === "after") throw new Error("the answer was lost");
    return result;
  };
  const store: LeaseStore = {
    read: () => effect(() => item),
    swap: (expected, next) =>
      effect(() => {
        if (item?.renewal !== expected) return "conflict";
        item = next;
        return "written";
      }),
  };
  return { store, failures, item: () => item, lose: () => (item = undefined) };
}

function setup() {
  const clock = new FakeClock();
  const memory = memoryStore();
  let nonces = 0;
  const leaseOf = (slot: string, options: Partial<LeaseOptions> = {}) =>
    createLease({ store: memory.store, slot, clock, nonce: () => `n${nonces++}`, ...options });
  /** Starts to acquire; tells when (ms from the start) it was held. */
  const acquire = (lease: ReturnType<typeof leaseOf>, signal = new AbortController().signal) => {
    const startedAt = clock.monotonic();
    const state = { after: undefined as number | undefined };
    void lease.acquire(signal).then(() => {
      state.after = clock.monotonic() - startedAt;
    });
    return state;
  };
  const keep = (lease: ReturnType<typeof leaseOf>) => {
    const stop = new AbortController();
    const state = { stop, lost: undefined as string | undefined };
    void lease.keep(stop.signal).then((lost) => {
      state.lost = lost;
    });
    return state;
  };
  return { clock, memory, leaseOf, acquire, keep };
}

describe("taking a lease", () => {
  it("takes a free slot at once, with a token of the time of day", async () => {
    const { clock, leaseOf, acquire } = setup();
    const lease = leaseOf("a");
    expect(lease.remainingMs()).toBe(0);
    const taken = acquire(lease);
    await clock.advance(0);
    expect(taken.after).toBe(0);
    expect(lease.token).toBe(clock.now());
    expect(lease.remainingMs()).toBe(4_000);
  });

  it("takes over under the same name at once, with a higher token even in the same millisecond", async () => {
    const { clock, leaseOf, acquire } = setup();
    const killed = leaseOf("a");
    acquire(killed);
    await clock.advance(0);
    const restarted = leaseOf("a");
    const taken = acquire(restarted);
    await clock.advance(0);
    expect(taken.after).toBe(0);
    expect(restarted.token).toBe(killed.token + 1);
  });

  it("looks again at once when its killed predecessor's last renewal came in between", async () => {
    const { clock, memory, leaseOf, acquire, keep } = setup();
    const killed = leaseOf("a");
    acquire(killed);
    await clock.advance(0);
    keep(killed);
    let first = true;
    const store: LeaseStore = {
      async read() {
        const item = await memory.store.read();
        if (first) await clock.sleep(2_000);
        first = false;
        return item;
      },
      swap: memory.store.swap,
    };
    const taken = acquire(leaseOf("a", { store }));
    await clock.advance(2_100);
    expect(taken.after).toBe(2_020);
  });

  it("lets another name wait for the expiry, counted from when it saw the last renewal", async () => {
    const { clock, leaseOf, acquire, keep } = setup();
    const holder = leaseOf("a");
    acquire(holder);
    await clock.advance(0);
    const kept = keep(holder);
    const other = leaseOf("b");
    const taken = acquire(other);
    await clock.advance(60_000);
    expect(taken.after).toBeUndefined();
    expect(other.trouble).toBe("a holds the lease");
    kept.stop.abort();
    const diedAt = clock.monotonic();
    const expiry = diedAt + holder.remainingMs();
    await clock.advance(10_000);
    const tookAt = taken.after ?? Number.NaN;
    expect(tookAt).toBeGreaterThanOrEqual(expiry);
    expect(tookAt).toBeLessThanOrEqual(expiry + 5_000);
    expect(other.token).toBeGreaterThan(holder.token);
  });

  it("lets the slot that it is offered to take it at once, with a higher token, and nobody else", async () => {
    const { clock, leaseOf, acquire, keep } = setup();
    const holder = leaseOf("a");
    acquire(holder);
    await clock.advance(0);
    const kept = keep(holder);
    const [heir, stranger] = [leaseOf("b"), leaseOf("c")];
    const [taken, refused] = [acquire(heir), acquire(stranger)];
    await clock.advance(10_000);
    expect(taken.after).toBeUndefined();
    const offeredAt = clock.monotonic();
    holder.offer("b");
    await clock.advance(2_000);
    keep(heir);
    // Told by the next renewal, seen by the next look.
    expect((taken.after ?? 0) - offeredAt).toBeLessThanOrEqual(1_334 + 500);
    expect(heir.token).toBeGreaterThan(holder.token);
    await clock.advance(1_000);
    expect(kept.lost).toBe("b took the lease");
    expect(holder.remainingMs()).toBe(0);
    await clock.advance(10_000);
    expect(refused.after).toBeUndefined();
    const back = acquire(holder);
    await clock.advance(10_000);
    expect(back.after).toBeUndefined();
  });

  it("takes a released slot at once", async () => {
    const { clock, leaseOf, acquire } = setup();
    const first = leaseOf("a");
    acquire(first);
    await clock.advance(0);
    await first.release();
    expect(first.remainingMs()).toBe(0);
    const second = leaseOf("b");
    const taken = acquire(second);
    await clock.advance(0);
    expect(taken.after).toBe(0);
    expect(second.token).toBeGreaterThan(first.token);
  });

  it("has a higher token than before even when the table was lost or the clock went back", async () => {
    const { clock, memory, leaseOf, acquire } = setup();
    const first = leaseOf("a");
    acquire(first);
    await clock.advance(10);
    memory.lose();
    const second = leaseOf("a");
    acquire(second);
    await clock.advance(0);
    expect(second.token).toBeGreaterThan(first.token);
    clock.setWall(0);
    const third = leaseOf("a");
    acquire(third);
    await clock.advance(0);
    expect(third.token).toBe(second.token + 1);
  });

  it("keeps trying while the table does not answer, and stops when told", async () => {
    const { clock, memory, leaseOf, acquire } = setup();
    memory.failures.push("before", "before");
    const lease = leaseOf("a");
    const taken = acquire(lease);
    await clock.advance(999);
    expect(taken.after).toBeUndefined();
    expect(lease.trouble).toContain("does not answer");
    await clock.advance(1);
    expect(taken.after).toBe(1_000);
    expect(lease.trouble).toBeNull();
    const stop = new AbortController();
    const waiting = leaseOf("b").acquire(stop.signal);
    await clock.advance(1_000);
    stop.abort();
    expect(await waiting).toBe(false);
  });

  it("counts from before the request: a slow write leaves less time", async () => {
    const { clock, memory, leaseOf, acquire } = setup();
    const slow: LeaseStore = {
      read: memory.store.read,
      async swap(expected, next) {
        await clock.sleep(700);
        return memory.store.swap(expected, next);
      },
    };
    const lease = leaseOf("a", { store: slow });
    acquire(lease);
    await clock.advance(700);
    expect(lease.remainingMs()).toBe(3_300);
  });
});

describe("keeping a lease", () => {
  it("renews with the same token for as long as the table answers", async () => {
    const { clock, leaseOf, acquire, keep } = setup();
    const lease = leaseOf("a");
    acquire(lease);
    await clock.advance(0);
    const { token } = lease;
    const kept = keep(lease);
    for (let second = 0; second < 60; second++) {
      await clock.advance(1_000);
      expect(lease.remainingMs()).toBeGreaterThan(2_000);
    }
    expect(lease.token).toBe(token);
    expect(kept.lost).toBeUndefined();
  });

  it("stops by itself when the table does not answer for the lease's time", async () => {
    const { clock, memory, leaseOf, acquire, keep } = setup();
    const lease = leaseOf("a");
    acquire(lease);
    await clock.advance(0);
    const kept = keep(lease);
    memory.failures.push(...Array<"before">(100).fill("before"));
    await clock.advance(3_999);
    expect(kept.lost).toBeUndefined();
    await clock.advance(1);
    expect(lease.remainingMs()).toBe(0);
    expect(kept.lost).toBe("the lease expired before it could be renewed");
  });

  it("goes on when only the answer of a renewal was lost", async () => {
    const { clock, memory, leaseOf, acquire, keep } = setup();
    const lease = leaseOf("a");
    acquire(lease);
    await clock.advance(0);
    const kept = keep(lease);
    memory.failures.push("after");
    await clock.advance(10_000);
    expect(kept.lost).toBeUndefined();
    expect(lease.remainingMs()).toBeGreaterThan(2_000);
  });

  it("notices a namesake and then waits like a stranger, so that the two do not take turns", async () => {
    const { clock, memory, leaseOf, acquire, keep } = setup();
    const first = leaseOf("a");
    acquire(first);
    await clock.advance(0);
    const keptFirst = keep(first);
    const second = leaseOf("a");
    acquire(second);
    await clock.advance(0);
    const keptSecond = keep(second);
    await clock.advance(1_500);
    expect(keptFirst.lost).toBe("another process named a took the lease");
    expect(first.remainingMs()).toBe(0);
    const again = acquire(first);
    await clock.advance(30_000);
    expect(again.after).toBeUndefined();
    expect(memory.item()?.token).toBe(second.token);
    keptSecond.stop.abort();
    await clock.advance(6_000);
    expect(again.after).toBeDefined();
  });

  it("is lost with the item", async () => {
    const { clock, memory, leaseOf, acquire, keep } = setup();
    const lease = leaseOf("a");
    acquire(lease);
    await clock.advance(0);
    const kept = keep(lease);
    memory.lose();
    await clock.advance(2_000);
    expect(kept.lost).toBe("the lease is gone");
    expect(lease.remainingMs()).toBe(0);
  });
});
