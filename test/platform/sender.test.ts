import { copyFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { silentLog } from "../../platform/log.ts";
import type { Outbox } from "../../platform/outbox.ts";
import { createSender, defaultTuning, type Sender, type SenderTuning } from "../../platform/sender.ts";
import { receiptReach } from "../../platform/tables/receipts.ts";
import { batchEnvelope } from "../../platform/wire.ts";
import { FakeClock } from "../support/clock.ts";
import { FaultyCloud } from "../support/faulty-cloud.ts";
import { countingUuid, execution, executions, openTestOutbox } from "../support/outbox.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

interface Running extends AsyncDisposable {
  readonly outbox: Outbox;
  readonly sender: Sender;
  readonly cloud: FaultyCloud;
  readonly clock: FakeClock;
  readonly directory: string;
}

function start(
  options: { tuning?: Partial<SenderTuning>; given?: Partial<Running>; uuid?: () => string } = {},
): Running {
  const { tuning = {}, given = {}, uuid = countingUuid() } = options;
  const temporary = given.directory === undefined ? temporaryDirectory() : undefined;
  const directory = given.directory ?? temporary?.path ?? "";
  const clock = given.clock ?? new FakeClock();
  const cloud = given.cloud ?? new FaultyCloud(clock);
  const outbox = openTestOutbox(directory, { clock, uuid });
  const stop = new AbortController();
  const { sqs, readReceipts, readTombstones } = cloud;
  const common = { outbox, sqs, readReceipts, readTombstones, clock, uuid, tuning: { hurryForMs: 0, ...tuning } };
  const sender = createSender({ ...common, queueUrl: "queue", random: () => 0.5, log: silentLog });
  const running = sender.run(stop.signal);
  return {
    outbox,
    sender,
    cloud,
    clock,
    directory,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
      outbox.close();
      temporary?.[Symbol.dispose]();
    },
  };
}

const ranges = (cloud: FaultyCloud) =>
  cloud.messages.map(({ body }) => {
    const { base, first, last } = batchEnvelope.parse(JSON.parse(body));
    return [base, first, last];
  });

describe("packing", () => {
  it("sends the first rows at once, then gathers rows for two and a half seconds", async () => {
    await using system = start();
    const { outbox, clock, cloud } = system;
    outbox.append(executions(3));
    await clock.advance(100);
    expect(ranges(cloud)).toEqual([[1, 1, 3]]);
    for (let tick = 4; tick <= 20; tick++) {
      outbox.append([execution(tick)]);
      await clock.advance(100);
    }
    await clock.advance(600);
    expect(ranges(cloud)).toHaveLength(1);
    await clock.advance(200);
    expect(ranges(cloud)).toEqual([
      [1, 1, 3],
      [1, 4, 20],
    ]);
  });

  it("waits longer while next to nothing runs, but no longer than ten seconds", async () => {
    await using system = start();
    const { outbox, clock, cloud } = system;
    outbox.append([execution(1)]);
    await clock.advance(100);
    outbox.append(executions(5, 2));
    await clock.advance(9_800);
    expect(ranges(cloud)).toEqual([[1, 1, 1]]);
    await clock.advance(300);
    expect(ranges(cloud).at(-1)).toEqual([1, 2, 6]);
    await clock.advance(2_400);
    outbox.append(executions(6, 7));
    await clock.advance(200);
    expect(ranges(cloud).at(-1)).toEqual([1, 7, 12]);
  });

  it("sends what fills a message at once, and never more than a message takes", async () => {
    await using system = start({ tuning: { maxMessageBytes: 20_000 } });
    const { outbox, clock, cloud } = system;
    outbox.append([execution(1)]);
    await clock.advance(100);
    outbox.append(executions(400, 2));
    await clock.advance(200);
    expect(cloud.messages.length).toBeGreaterThan(2);
    for (const { body } of cloud.messages) expect(Buffer.byteLength(body)).toBeLessThan(20_500);
    await clock.advance(2_500);
    expect(ranges(cloud).at(-1)?.[2]).toBe(401);
  });
});

describe("after a start or a disturbance", () => {
  it("sends new rows every half second, for ten seconds", async () => {
    await using system = start({ tuning: { hurryForMs: 10_000 } });
    const { outbox, clock, cloud } = system;
    let row = 0;
    /** Messages sent in ten seconds, with a row every 100 ms. */
    const sentInTenSeconds = async () => {
      let sent = 0;
      for (let tick = 0; tick < 100; tick++) {
        outbox.append([execution(++row)]);
        await clock.advance(100);
        sent += cloud.messages.length;
        await cloud.deliverAll();
      }
      return sent;
    };
    expect(await sentInTenSeconds()).toBeGreaterThanOrEqual(16);
    // Planted fault: without the hurry.
    expect(await sentInTenSeconds()).toBeLessThanOrEqual(5);
    cloud.sending = "fails";
    outbox.append([execution(++row)]);
    await clock.advance(5_000);
    cloud.sending = "works";
    expect(await sentInTenSeconds()).toBeGreaterThanOrEqual(16);
  });
});

describe("flow", () => {
  it("keeps a bounded number of messages in the air, and sends new rows before an old backlog", async () => {
    await using system = start({ tuning: { maxMessageRows: 10, backlogWindow: 4, window: 6, timeoutMs: 1e9 } });
    const { outbox, clock, cloud, sender } = system;
    cloud.sending = "fails";
    for (let row = 1; row <= 5_000; row += 100) outbox.append(executions(100, row));
    await clock.advance(10_000);
    cloud.sending = "works";
    cloud.reading = "works";
    await clock.advance(5_000);
    expect(sender.status().inFlight).toBeLessThanOrEqual(6);
    outbox.append([execution(5_001)]);
    for (let second = 0; second < 3; second++) {
      await cloud.deliverAll();
      await clock.advance(1_000);
    }
    const backlog = outbox.unsettled();
    expect(backlog.at(-1)?.last).toBeLessThan(5_001);
    for (let second = 0; second < 200; second++) {
      await cloud.deliverAll();
      await clock.advance(500);
    }
    expect(outbox.unsettled()).toEqual([]);
  });

  it("keeps fewer messages of a backlog in the air the slower they are recorded, so that new rows need not wait long", async () => {
    /** @returns how many are in the air in the end, and how many seconds a new row then took */
    const behind = async (aimMs: number) => {
      await using system = start({ tuning: { maxMessageRows: 10, timeoutMs: 1e9, packMs: 500, aimMs } });
      const { outbox, clock, cloud, sender } = system;
      for (let row = 1; row <= 8_000; row += 1_000) outbox.append(executions(1_000, row));
      const second = async () => {
        for (let count = 0; count < 4; count++) await cloud.deliver(0);
        await clock.advance(1_000);
      };
      await clock.advance(1_000);
      // A sender that has just been started keeps few, whatever comes later: what the one before it sent may be on its way.
      expect(sender.status().inFlight).toBeLessThanOrEqual(5);
      for (let count = 0; count < 120; count++) await second();
      const { inFlight } = sender.status();
      outbox.append([execution(8_001)]);
      let seconds = 0;
      for (; outbox.unsettled().at(-1)?.last === 8_001; seconds++) await second();
      return { inFlight, seconds };
    };
    const steady = await behind(2_000);
    expect(steady.inFlight).toBeLessThan(32);
    expect(steady.seconds).toBeLessThan(9);
    // Planted fault: without an aim the window is always full, and a new row waits behind all of it.
    const always = await behind(Number.POSITIVE_INFINITY);
    expect(always.inFlight).toBeGreaterThanOrEqual(60);
    expect(always.seconds).toBeGreaterThan(12);
  }, 60_000);

  it("says why it cannot send, and when it could last", async () => {
    await using system = start();
    const { outbox, clock, cloud, sender } = system;
    expect(sender.status()).toMatchObject({ trouble: null, lastSentAt: null });
    cloud.sending = "fails";
    outbox.append([execution(1)]);
    await clock.advance(3_000);
    expect(sender.status()).toMatchObject({ trouble: "sending failed (the queue is away)", lastSentAt: null });
    cloud.sending = "works";
    await clock.advance(3_000);
    expect(sender.status()).toMatchObject({ trouble: null, lastSentAt: expect.any(Number) });
  });
});

describe("a function that crashed", () => {
  it("blocks the groups that its batch was of: new rows go to others within seconds", async () => {
    await using system = start({ tuning: { timeoutMs: 1e9, quietMs: 0 } });
    const { outbox, clock, cloud } = system;
    for (let row = 1; row <= 4; row++) {
      outbox.append([execution(row)]);
      await clock.advance(2_600);
    }
    for (const { group } of cloud.messages) cloud.blockedGroups.add(group);
    // Planted fault: with the first groups for ever, the newest row would wait for them, too.
    outbox.append([execution(5)]);
    await clock.advance(2_600);
    outbox.append([execution(6)]);
    await clock.advance(2_600);
    cloud.deliverAll();
    await clock.advance(1_000);
    expect(outbox.unsettled().at(-1)?.last).toBeLessThan(6);
  });

  it("does not block a sender that is started again", async () => {
    /** Rows that wait a second after the second sender's start. */
    const waitingAfterStart = async (uuidOfSecond: () => string) => {
      using temporary = temporaryDirectory();
      const given = { directory: temporary.path };
      const before = start({ given });
      const { clock, cloud } = before;
      before.outbox.append([execution(1)]);
      await clock.advance(200);
      for (const { group } of cloud.messages) cloud.blockedGroups.add(group);
      await before[Symbol.asyncDispose]();
      await using system = start({ given: { ...given, clock, cloud }, uuid: uuidOfSecond });
      system.outbox.append([execution(2)]);
      await clock.advance(500);
      await cloud.deliverAll();
      await clock.advance(500);
      return system.outbox.state().waiting;
    };
    expect(await waitingAfterStart(countingUuid(1))).toBe(0);
    // Planted fault: names that begin anew with each start.
    expect(await waitingAfterStart(countingUuid())).toBeGreaterThan(0);
  });
});

describe("resends", () => {
  it("have a fresh group and a fresh dedup id, and come ever less often", async () => {
    await using system = start();
    const { outbox, clock, cloud } = system;
    const sent: number[] = [];
    const seen = new Set<string>();
    const groups = new Set<string>();
    const send = cloud.sqs.send;
    Object.assign(cloud.sqs, {
      send: (command: Parameters<typeof send>[0]) => {
        for (const { MessageDeduplicationId, MessageGroupId } of command.input.Entries ?? []) {
          seen.add(MessageDeduplicationId ?? "");
          groups.add(MessageGroupId ?? "");
          sent.push(Math.round(clock.monotonic() / 1_000));
        }
        return send(command);
      },
    });
    outbox.append([execution(1)]);
    await clock.advance(130_000);
    expect(sent).toEqual([0, 15, 45, 105]);
    expect(seen.size).toBe(4);
    expect(groups.size).toBe(4);
  });

  it("leave out rows that lie in the dead-letter queue until these are gone", async () => {
    await using system = start();
    const { outbox, clock, cloud } = system;
    cloud.poison(2);
    outbox.append(executions(3));
    await clock.advance(100);
    await cloud.deliverAll();
    await clock.advance(600_000);
    expect(cloud.messages).toEqual([]);
    expect(outbox.unsettled()).toEqual([{ first: 2, last: 2 }]);
    cloud.pardon();
    await clock.advance(10_500);
    expect(ranges(cloud)).toEqual([[1, 2, 2]]);
    await cloud.deliverAll();
    await clock.advance(2_000);
    expect(outbox.state()).toMatchObject({ waiting: 0, recordedThrough: 3 });
  });
});

describe("a table that lost its rows", () => {
  it("is filled again at once, with all that is still held", async () => {
    await using system = start();
    const { outbox, clock, cloud } = system;
    for (let second = 0; second < 10; second++) {
      outbox.append(executions(10, 1 + 10 * second));
      await clock.advance(2_000);
      await cloud.deliverAll();
    }
    await clock.advance(1_000);
    expect(outbox.state().waiting).toBe(0);
    cloud.loseTables();
    expect(cloud.recorded().size).toBe(0);
    outbox.append(executions(6, 101));
    for (let second = 0; second < 5; second++) {
      await clock.advance(1_000);
      await cloud.deliverAll();
    }
    expect(cloud.recorded().size).toBe(106);
  });
});

describe("an outbox file that lost its tail", () => {
  it("is found out wherever the first receipt beyond it is: less can be under way than is looked at", () => {
    expect(defaultTuning.window * defaultTuning.maxMessageRows).toBeLessThan(receiptReach);
  });

  it("begins a new incarnation before anything is sent under numbers that are taken", async () => {
    const uuid = countingUuid();
    using directory = temporaryDirectory();
    const file = join(directory.path, "outbox.sqlite");
    const clock = new FakeClock();
    const cloud = new FaultyCloud(clock);
    const given = { directory: directory.path, clock, cloud };
    let incarnation = "";
    {
      await using system = start({ given, uuid });
      system.outbox.append(executions(3));
      incarnation = system.outbox.state().incarnation;
    }
    copyFileSync(file, join(directory.path, "old copy"));
    {
      await using system = start({ given, uuid });
      system.outbox.append(executions(3, 4));
      await clock.advance(3_000);
      await cloud.deliverAll();
      await clock.advance(3_000);
      expect(system.outbox.state().waiting).toBe(0);
    }
    copyFileSync(join(directory.path, "old copy"), file);
    // Else this process alone could tell.
    rmSync(`${file}.mark`);
    {
      await using system = start({ given, uuid });
      system.outbox.append(executions(2, 100));
      await clock.advance(3_000);
      await cloud.deliverAll();
      await clock.advance(3_000);
      expect(system.outbox.spans().map(({ first, last }) => [first, last])).toEqual([
        [1, 3],
        [4, 5],
      ]);
      expect(system.outbox.state()).toMatchObject({ waiting: 0, lastSequence: 2 });
      expect(system.outbox.state().incarnation).not.toBe(incarnation);
      // Three, three that the file no longer has, and two under the new name.
      expect(cloud.recorded().size).toBe(8);
      expect(cloud.conflicts).toEqual([]);
    }
  });
});
