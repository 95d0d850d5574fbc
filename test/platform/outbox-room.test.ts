import { describe, expect, it } from "@jest/globals";
import { RoomWatch } from "../../platform/outbox-room.ts";
import { FakeClock } from "../support/clock.ts";
import { executions, openTestOutbox } from "../support/outbox.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("an outbox's room", () => {
  it("is told while it gets short, with the time that is left, and not before", () => {
    using place = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(place.path, { clock, diskBoundBytes: 1_000_000 });
    const room = new RoomWatch(outbox, clock, "native");
    const told: (string | null)[] = [];
    for (let minute = 0; minute < 8; minute++) {
      outbox.append(executions(500, 1 + minute * 500));
      clock.stall(60_000);
      told.push(room.warning());
    }
    expect(told[0]).toBeNull();
    const first = told.findIndex((line) => line !== null);
    // Between half and all of the bound.
    expect(first).toBeGreaterThan(1);
    const [, percent, hours] = /^the outbox is (\d+)% full .* in ([\d.]+) h; from 80%/.exec(told[first] ?? "") ?? [];
    expect(Number(percent)).toBeGreaterThanOrEqual(50);
    expect(Number(percent)).toBeLessThan(75);
    // A minute brings about a ninth of the bound: minutes are left.
    expect(Number(hours)).toBeLessThan(0.2);
    outbox.close();
  });

  it("lets all new work in up to four fifths, then linearly less", () => {
    using place = temporaryDirectory();
    const clock = new FakeClock();
    const diskBoundBytes = 1_000_000;
    const outbox = openTestOutbox(place.path, { clock, diskBoundBytes });
    const room = new RoomWatch(outbox, clock, "native");
    for (let step = 0; outbox.state().bytes < 0.97 * diskBoundBytes; step++) {
      outbox.append(executions(50, 1 + step * 50));
      clock.stall(1_000);
      const used = outbox.state().bytes / diskBoundBytes;
      expect(room.intake()).toBeCloseTo(Math.min(1, (1 - used) * 5), 10);
    }
    expect(room.intake()).toBeLessThan(0.2);
    outbox.confirm([{ first: 1, last: outbox.lastPosition }]);
    clock.stall(1_000);
    expect(room.intake()).toBe(1);
    outbox.close();
  });

  it("says what can no longer be healed when recorded rows are let go before their time", () => {
    using place = temporaryDirectory();
    const clock = new FakeClock(1_000 + 3_600_000);
    const outbox = openTestOutbox(place.path, { clock, diskBoundBytes: 500_000 });
    const room = new RoomWatch(outbox, clock, "native");
    outbox.append(executions(4_000));
    outbox.confirm([{ first: 1, last: 4_000 }]);
    expect(room.warning()).toMatch(
      /at its bound of 0\.5 MB: a table that is lost now is filled again from the last 1\.0 h/,
    );
    outbox.close();
  });
});
