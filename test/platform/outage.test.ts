import { expect, it } from "@jest/globals";
import { silentLog } from "../../platform/log.ts";
import { createSender } from "../../platform/sender.ts";
import { FakeClock } from "../support/clock.ts";
import { FaultyCloud } from "../support/faulty-cloud.ts";
import { countingUuid, executions, openTestOutbox } from "../support/outbox.ts";
import { size } from "../support/size.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** Rows a second: what the default scenario executes, and what a recorder may do that is not much faster. */
const intake = 15;
const capacity = 3 * intake;
const outageSeconds = size({ slice: 300, full: 86_400 });

it(
  `drains an outage of ${outageSeconds / 60} minutes at more than twice the intake, and loses nothing`,
  async () => {
    using directory = temporaryDirectory();
    const clock = new FakeClock();
    const cloud = new FaultyCloud(clock);
    const uuid = countingUuid();
    const outbox = openTestOutbox(directory.path, { clock, uuid, diskBoundBytes: 2 ** 34 });
    const stop = new AbortController();
    const { sqs, readReceipts, readTombstones } = cloud;
    const common = { outbox, sqs, readReceipts, readTombstones, clock, uuid, random: () => 0.5, log: silentLog };
    const sending = createSender({ ...common, queueUrl: "queue" }).run(stop.signal);

    let executed = 0;
    let delivered = 0;
    let budget = 0;
    const second = async () => {
      outbox.append(executions(intake, executed + 1));
      executed += intake;
      budget += capacity;
      for (let [message] = cloud.messages; message && budget > 0; [message] = cloud.messages) {
        const rows = message.body.split('{"sequence":').length - 1;
        budget -= rows;
        delivered += rows;
        await cloud.deliver(0);
      }
      budget = Math.min(budget, 0);
      await clock.advance(1_000);
    };

    cloud.sending = "fails";
    cloud.reading = "fails";
    for (let passed = 0; passed < outageSeconds; passed++) await second();
    expect(outbox.state().waiting).toBe(intake * outageSeconds);
    cloud.sending = "works";
    cloud.reading = "works";
    let seconds = 0;
    // What is on its way is never nothing: messages are packed for two seconds.
    for (; outbox.state().waiting > 10 * intake; seconds++) await second();

    const backlog = intake * outageSeconds;
    expect((backlog + intake * seconds) / seconds).toBeGreaterThan(2 * intake);
    // Nothing goes out twice because the recorder is slow: at most what was on its way when the outage ended.
    expect(delivered - cloud.recorded().size).toBeLessThan(0.02 * executed);
    for (let rest = 0; rest < 10; rest++) await second();
    stop.abort();
    await sending;
    expect(cloud.conflicts).toEqual([]);
    expect(cloud.recorded().size).toBeGreaterThan(executed - 10 * intake);
    expect(outbox.state().waiting).toBeLessThan(10 * intake);
    outbox.close();
  },
  size({ slice: 60_000, full: 7_200_000 }),
);
