import type { SendMessageBatchCommand } from "@aws-sdk/client-sqs";
import { describe, expect, it } from "@jest/globals";
import fc from "fast-check";
import { silentLog } from "../../platform/log.ts";
import type { Outbox } from "../../platform/outbox.ts";
import type { Range } from "../../platform/range-set.ts";
import { createSender, type SenderOptions } from "../../platform/sender.ts";
import { FakeClock } from "../support/clock.ts";
import { FaultyCloud } from "../support/faulty-cloud.ts";
import { countingUuid, execution, openTestOutbox } from "../support/outbox.ts";
import { size } from "../support/size.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const runs = size({ slice: 100, full: 100_000 });

/** A wrong way to do it, which the same property must catch. */
type Variant = (options: SenderOptions, cloud: FaultyCloud) => Partial<SenderOptions>;

/** What was executed: content by `incarnation sequence`, as the outbox numbered it. */
type Model = Map<string, string>;

/** The real outbox and sender on a disk, and the real recorder, against queue and tables in memory. */
class System {
  readonly clock = new FakeClock();
  readonly cloud = new FaultyCloud(this.clock);
  readonly #uuid = countingUuid();
  readonly #directory: string;
  readonly #variant: Variant | undefined;
  #outbox: Outbox;
  #stop = new AbortController();
  #running: Promise<void> = Promise.resolve();
  #ticks = 0;
  restore: (() => void) | undefined;

  constructor(directory: string, variant: Variant | undefined) {
    this.#directory = directory;
    this.#variant = variant;
    this.#outbox = this.#start();
  }

  get outbox(): Outbox {
    return this.#outbox;
  }

  #start(): Outbox {
    const outbox = openTestOutbox(this.#directory, { clock: this.clock, uuid: this.#uuid });
    const options: SenderOptions = {
      outbox,
      sqs: this.cloud.sqs,
      queueUrl: "queue",
      readReceipts: this.cloud.readReceipts,
      readTombstones: this.cloud.readTombstones,
      clock: this.clock,
      random: () => 0.5,
      log: silentLog,
      uuid: this.#uuid,
      tuning: { maxMessageRows: 5, maxTimeoutMs: 60_000, recheckMs: 120_000, pieceRows: 20 },
    };
    this.#stop = new AbortController();
    this.#running = createSender({ ...options, ...this.#variant?.(options, this.cloud) }).run(this.#stop.signal);
    return outbox;
  }

  append(count: number, model: Model): void {
    const rows = Array.from({ length: count }, () => execution(++this.#ticks));
    const { incarnation, first } = this.outbox.append(rows);
    for (const [offset, row] of rows.entries()) model.set(`${incarnation} ${first + offset}`, JSON.stringify(row));
  }

  async restart(): Promise<void> {
    await this.stop();
    this.#outbox = this.#start();
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.outbox.close();
  }

  /** All faults end, and time passes: four minutes, or until ten seconds after everything executed is recorded. */
  async heal(model: Model): Promise<void> {
    this.cloud.sending = "works";
    this.cloud.reading = "works";
    this.cloud.failingWrite = undefined;
    this.cloud.pardon();
    for (let second = 0, well = 0; second < 240 && well < 10; second++) {
      await this.cloud.deliverAll();
      await this.clock.advance(1_000);
      const all = this.outbox.state().waiting === 0 && this.cloud.recorded().size >= model.size;
      well = all ? well + 1 : 0;
    }
  }
}

type Action = (system: System, model: Model) => Promise<void> | void;

class Command implements fc.AsyncCommand<Model, System> {
  readonly #name: string;
  readonly #action: Action;

  constructor(name: string, action: Action) {
    this.#name = name;
    this.#action = action;
  }

  check(): boolean {
    return true;
  }

  async run(model: Model, system: System): Promise<void> {
    await this.#action(system, model);
    expect(system.cloud.conflicts).toEqual([]);
  }

  toString(): string {
    return this.#name;
  }
}

const small = fc.nat({ max: 9 });
const command = (name: string, action: (argument: number) => Action) =>
  small.map((argument) => new Command(`${name}(${argument})`, action(argument)));

const commands = fc.commands(
  [
    command("append", (n) => (system, model) => system.append(1 + n, model)),
    command("advance", (n) => (system) => system.clock.advance([100, 700, 2_500, 16_000, 40_000, 130_000][n % 6] ?? 0)),
    command(
      "deliver",
      (n) =>
        ({ cloud }) =>
          cloud.deliver(n),
    ),
    command(
      "deliverTwice",
      (n) =>
        ({ cloud }) =>
          cloud.deliver(n, true),
    ),
    command(
      "drop",
      (n) =>
        ({ cloud }) =>
          cloud.drop(n),
    ),
    command("recorderFails", (n) => ({ cloud }) => {
      cloud.failingWrite = { after: n % 3, seemsOnly: n > 4 };
    }),
    command("sending", (n) => ({ cloud }) => {
      cloud.sending = (["works", "fails", "works unseen"] as const)[n % 3] ?? "works";
    }),
    command("reading", (n) => ({ cloud }) => {
      cloud.reading = n % 2 === 0 ? "works" : "fails";
    }),
    command("blockGroup", (n) => ({ cloud }) => {
      cloud.blockedGroups.add(cloud.messages[n % Math.max(1, cloud.messages.length)]?.group ?? "");
    }),
    command(
      "poison",
      (n) =>
        ({ cloud, outbox }) =>
          cloud.poison(outbox.lastPosition + n),
    ),
    command(
      "pardon",
      () =>
        ({ cloud }) =>
          cloud.pardon(),
    ),
    command(
      "loseTables",
      () =>
        ({ cloud }) =>
          cloud.loseTables(),
    ),
    command("snapshotTables", () => (system) => {
      system.restore = system.cloud.snapshot();
    }),
    command("restoreTables", () => (system) => {
      system.restore?.();
      system.restore = undefined;
    }),
    command("restart", () => (system) => system.restart()),
    command(
      "wallClock",
      (n) =>
        ({ clock }) =>
          clock.setWall(clock.now() + (n - 5) * 3_600_000),
    ),
  ],
  { maxCommands: 40, size: "max" },
);

/** After any faults: everything executed is recorded under its number, nothing else, and the outbox knows it. */
async function check(numRuns: number, variant?: Variant): Promise<void> {
  await fc.assert(
    fc.asyncProperty(commands, async (sequence) => {
      using directory = temporaryDirectory();
      const system = new System(directory.path, variant);
      const model: Model = new Map();
      try {
        await fc.asyncModelRun(() => ({ model, real: system }), sequence);
        await system.heal(model);
        expect(system.cloud.recorded()).toEqual(model);
        expect(system.outbox.state()).toMatchObject({
          waiting: 0,
          recordedThrough: system.outbox.state().lastSequence,
        });
      } finally {
        await system.stop();
      }
    }),
    { seed: Number(process.env.EVENKEEL_PROPERTY_SEED ?? 20_261_121), numRuns, endOnFailure: true },
  );
}

const greatestSeen: Variant = ({ readReceipts }) => ({
  readReceipts: async (incarnation, range) => {
    const receipts = await readReceipts(incarnation, range);
    return receipts.length === 0 ? [] : [{ first: 1, last: Math.max(...receipts.map(({ last }) => last)) }];
  },
});

/** Rewrites a batch's ids as a function of what the message holds. */
function rewriting(change: (range: string) => { MessageDeduplicationId?: string; MessageGroupId?: string }): Variant {
  return ({ sqs }) => ({
    sqs: {
      send: (command: SendMessageBatchCommand, options) => {
        for (const entry of command.input.Entries ?? []) {
          Object.assign(entry, change(/"first":\d+,"last":\d+/.exec(entry.MessageBody ?? "")?.[0] ?? ""));
        }
        return sqs.send(command, options);
      },
    },
  });
}

const receiptsRemembered: Variant = ({ readReceipts }) => {
  const everRead = new Map<string, readonly Range[]>();
  return {
    readReceipts: async (incarnation, range) => {
      const receipts = [...(everRead.get(incarnation) ?? []), ...(await readReceipts(incarnation, range))];
      everRead.set(incarnation, receipts);
      return receipts.filter(({ first, last }) => last >= range.first && first <= range.last);
    },
  };
};

describe("outbox, sender and recorder under faults", () => {
  it("lose nothing and record nothing twice", () => check(runs), 60_000 + runs * 200);

  it.each<[string, Variant]>([
    ["the greatest number seen is taken for recorded", greatestSeen],
    ["a resend has the dedup id of the first send", rewriting((range) => ({ MessageDeduplicationId: range }))],
    ["a resend goes to the group of the first send", rewriting(() => ({ MessageGroupId: "one" }))],
    ["receipts that are gone still count", receiptsRemembered],
    [
      "a receipt is left though the rows before it were not written",
      (_, cloud) => {
        cloud.believesFailedWrites = true;
        return {};
      },
    ],
    ["tombstoned rows are not known", () => ({ readTombstones: async () => [{ sequence: 1 }] })],
  ])(
    "would not if %s",
    async (_, variant) => {
      await expect(check(300, variant)).rejects.toThrow("Property failed");
    },
    60_000,
  );
});
