/** How processes share servers: real leases and memberships over tables in memory, in virtual time. */
import { describe, expect, it } from "@jest/globals";
import { createLease, type Lease, type LeaseItem, type LeaseStore } from "../../../platform/lease.ts";
import { silentLog } from "../../../platform/log.ts";
import type { FleetMember } from "../../../platform/tables/fleet.ts";
import { Allowance } from "../../../services/scheduler/allowance.ts";
import { Fleet } from "../../../services/scheduler/fleet.ts";
import { createMembership } from "../../../services/scheduler/membership.ts";
import type { BriefStatus, Scheduler } from "../../../services/scheduler/scheduler.ts";
import type { SteeredServer, Target } from "../../../services/scheduler/steered-server.ts";
import { FakeClock } from "../../support/clock.ts";

interface Acting {
  readonly process: string;
  readonly lease: Lease;
  readonly dead: () => boolean;
}

const brief = (): BriefStatus => ({
  serverId: "",
  mode: "steering",
  reason: null,
  inBand: null,
  costsAgeSeconds: null,
});

/** @param unordered leaves out the orderly handover, as a planted fault */
function deployment(servers: number, { unordered = false } = {}) {
  const clock = new FakeClock();
  let nonces = 0;
  const nonce = () => `n${nonces++}`;
  const targets: Target[] = Array.from({ length: servers }, (_, index) => ({
    serverId: `server-${index + 1}`,
    url: `http://127.0.0.1:${9000 + index}`,
  }));
  const leases = new Map<string, LeaseItem>();
  const members = new Map<string, FleetMember>();
  const acting = new Map<string, Acting[]>();

  function start(name: string, capacity = 100) {
    const stop = new AbortController();
    let dead = false;
    const allowance = new Allowance(clock.monotonic.bind(clock));
    const unlessDead = <Result>(value: () => Result): Promise<Result> =>
      dead ? new Promise<Result>(() => {}) : Promise.resolve(value());
    const membership = createMembership({
      name,
      url: `http://${name}:9010`,
      capacity,
      write: (member) => unlessDead(() => void members.set(name, member)),
      read: () => unlessDead(() => [...members.values()]),
      clock,
      nonce,
    });
    const steer = ({ serverId = "" }: Target): SteeredServer => {
      const store: LeaseStore = {
        read: () => unlessDead(() => leases.get(serverId)),
        swap: (expected, next) =>
          unlessDead(() => {
            if (leases.get(serverId)?.renewal !== expected) return "conflict";
            leases.set(serverId, next);
            return "written";
          }),
      };
      const lease = createLease({ store, slot: name, clock, nonce });
      const own = new AbortController();
      acting.set(serverId, [...(acting.get(serverId) ?? []), { process: name, lease, dead: () => dead }]);
      const running = (async () => {
        while (await lease.acquire(own.signal)) await lease.keep(own.signal);
        await lease.release();
      })();
      return {
        serverId,
        // What the fleet asks of it is asked of the status pages alone.
        scheduler: { fenced: true, brief } as Partial<Scheduler> as Scheduler,
        get holds() {
          return lease.remainingMs() > 0;
        },
        trouble: null,
        handOver: (to) => (unordered && to !== undefined ? void own.abort() : lease.offer(to)),
        async stop() {
          own.abort();
          await running;
        },
      };
    };
    const fleet = new Fleet({
      targets: async () => targets,
      membership,
      start: steer,
      allowance,
      clock,
      log: silentLog,
    });
    const ended = { yes: false };
    void fleet.run(stop.signal).then(() => {
      ended.yes = true;
    });
    return {
      fleet,
      allowance,
      ended,
      end: () => stop.abort(),
      kill() {
        dead = true;
      },
    };
  }

  /** Who acts on a server: of those that hold its lease the one with the highest token, for the server refuses the others. */
  function steers(serverId: string): string | undefined {
    const holders = (acting.get(serverId) ?? []).filter(({ lease, dead }) => !dead() && lease.remainingMs() > 0);
    return holders.toSorted((a, b) => b.lease.token - a.lease.token)[0]?.process;
  }
  const shares = () => {
    const count: Record<string, number> = {};
    for (const { serverId = "" } of targets) {
      const process = steers(serverId) ?? "nobody";
      count[process] = (count[process] ?? 0) + 1;
    }
    return count;
  };
  /** Lets time pass; returns for how long the worst server had nobody. */
  async function pass(ms: number): Promise<number> {
    const without = new Map<string, number>();
    let worst = 0;
    for (let at = 0; at < ms; at += 50) {
      await clock.advance(50);
      for (const { serverId = "" } of targets) {
        const gap = steers(serverId) === undefined ? (without.get(serverId) ?? 0) + 50 : 0;
        without.set(serverId, gap);
        worst = Math.max(worst, gap);
      }
    }
    return worst;
  }
  return { clock, targets, start, shares, pass, steers };
}

describe("processes that share servers", () => {
  it("steer all of them alone, and each half of them together", async () => {
    const { start, shares, pass } = deployment(20);
    const first = start("a");
    await pass(1_000);
    expect(shares()).toEqual({ a: 20 });
    start("b");
    await pass(6_000);
    expect(shares()).toEqual({ a: 10, b: 10 });
    expect(first.fleet.status()).toMatchObject({ registered: 20, withoutLease: 0, withoutRoom: [] });
  });

  it("hand over to one that joins, and take over from one that leaves, without a gap", async () => {
    const { start, shares, pass } = deployment(20);
    const first = start("a");
    await pass(1_150);
    start("b");
    expect(await pass(8_000)).toBe(0);
    expect(shares()).toEqual({ a: 10, b: 10 });
    first.end();
    expect(await pass(8_000)).toBe(0);
    expect(shares()).toEqual({ b: 20 });
    expect(first.ended.yes).toBe(true);
  });

  it("would leave a gap if the one before let go at once", async () => {
    const { start, pass } = deployment(20, { unordered: true });
    start("a");
    // Not in step with the first: in virtual time both would look in the same instant.
    await pass(1_150);
    start("b");
    expect(await pass(8_000)).toBeGreaterThan(0);
  });

  it("take over what one of them steered when it was killed, within five seconds of the expiry of its leases", async () => {
    for (const diesAt of [0, 350, 700, 1_050, 1_300]) {
      const { start, shares, pass } = deployment(20);
      start("a");
      const killed = start("b");
      await pass(8_000 + diesAt);
      expect(shares()).toEqual({ a: 10, b: 10 });
      killed.kill();
      // At the earliest a lease expires 2.7 s after: renewed every 1.3 s, it lasts 4 s.
      expect(await pass(12_000)).toBeLessThanOrEqual(2_700 + 5_000);
      expect(shares()).toEqual({ a: 20 });
    }
  });

  it("take no more than their capacity, say what is left, and take it when there is room", async () => {
    const { start, shares, pass } = deployment(20);
    const first = start("a", 8);
    start("b", 6);
    await pass(8_000);
    expect(shares()).toEqual({ a: 8, b: 6, nobody: 6 });
    expect(first.fleet.status()).toMatchObject({ withoutLease: 6 });
    expect(first.fleet.status().withoutRoom).toHaveLength(6);
    start("c", 10);
    await pass(8_000);
    expect(shares()).toEqual({ a: 7, b: 6, c: 7 });
  });

  it("find servers that are added, let go those that are removed, and keep the rest", async () => {
    const { start, targets, shares, pass } = deployment(10);
    start("a");
    await pass(1_000);
    targets.splice(0, 2);
    targets.push({ serverId: "new", url: "http://127.0.0.1:9999" });
    await pass(12_000);
    expect(shares()).toEqual({ a: 9 });
  });

  it("put a server aside that leaves the others no time, and try it again", async () => {
    const { clock, start, pass, steers, shares } = deployment(5);
    const { allowance, fleet } = start("a");
    await pass(1_000);
    for (let ms = 0; ms < 3_000; ms += 100) {
      allowance.spend("server-1", 90);
      await clock.advance(100);
    }
    await pass(1_000);
    expect(steers("server-1")).toBeUndefined();
    expect(shares()).toEqual({ a: 4, nobody: 1 });
    expect(fleet.status().withoutLease).toBe(1);
    await pass(32_000);
    expect(shares()).toEqual({ a: 5 });
  });
});
