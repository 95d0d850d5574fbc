import { expect, it } from "@jest/globals";
import { measureCapture } from "../../bench/capture.ts";
import { silentLog } from "../../platform/log.ts";

it("bench capture finds every execution in the table, once", async () => {
  const { events, lost, duplicated } = await measureCapture(5_000, silentLog);
  expect(events).toBeGreaterThanOrEqual(5_000);
  expect({ lost, duplicated }).toEqual({ lost: 0, duplicated: 0 });
}, 180_000);
