import { expect, it } from "@jest/globals";
import { measureCapture } from "../../bench/capture.ts";
import { silentLog } from "../../platform/log.ts";

it("bench capture finds every execution in the table, once", async () => {
  const {
    events,
    lost,
    duplicated,
    eventsPerSecond,
    rawPerSecond = 0,
    rawAfterPerSecond = 0,
    ratio,
  } = await measureCapture({ events: 5_000, raw: true }, silentLog);
  expect(events).toBeGreaterThanOrEqual(5_000);
  expect(ratio).toBeCloseTo((2 * eventsPerSecond) / (rawPerSecond + rawAfterPerSecond), 2);
  expect({ lost, duplicated }).toEqual({ lost: 0, duplicated: 0 });
}, 180_000);
