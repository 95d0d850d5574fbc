import { describe, expect, it } from "@jest/globals";
import { createLog } from "../../../platform/log.ts";
import type { KnobsChange } from "../../../platform/scheduler-status.ts";
import { type Parameters, ParameterWatch } from "../../../services/scheduler/parameters.ts";
import { FakeClock } from "../../support/clock.ts";

function setup(parameters: Parameters) {
  const clock = new FakeClock();
  const lines: string[] = [];
  const seen = { changes: [] as KnobsChange[], parameters, away: false };
  let applied: Record<string, string> = {};
  const newSink = () => ({
    changeKnobs: async (change: KnobsChange) => seen.changes.push(change),
    readApplied: async () => applied,
    writeApplied: async (next: Record<string, string>) => {
      applied = next;
    },
  });
  const newWatch = () =>
    new ParameterWatch({
      read: async () => {
        if (seen.away) throw new Error("Parameter Store is away");
        return seen.parameters;
      },
      clock,
      log: createLog("test", (line) => lines.push(line)),
    });
  const stop = new AbortController();
  return { clock, seen, lines, newWatch, newSink, signal: stop.signal };
}

const url = { value: "http://a.example.com", version: 1 };

describe("parameters that an operator changes", () => {
  it("turn a knob when they change, and leave it alone when someone else has turned it since", async () => {
    const { clock, seen, newWatch, newSink, signal } = setup({ serverUrl: url });
    const watch = newWatch();
    void watch.run(url.value, signal);
    watch.turn(newSink());
    expect(seen.changes).toEqual([]);

    seen.parameters = { serverUrl: url, latencyP95Seconds: { value: "4.5", version: 2 } };
    await clock.advance(10_000);
    expect(seen.changes).toEqual([{ latencyP95Seconds: 4.5 }]);
    await clock.advance(60_000);
    expect(seen.changes).toHaveLength(1);

    // The same value set once more is a change of its own.
    seen.parameters = { serverUrl: url, latencyP95Seconds: { value: "4.5", version: 3 } };
    await clock.advance(10_000);
    expect(seen.changes).toHaveLength(2);
  });

  it("are not acted on again by the next process", async () => {
    const { clock, seen, newWatch, newSink, signal } = setup({ bandWidth: { value: "0.2", version: 7 } });
    for (let process = 0; process < 2; process++) {
      const watch = newWatch();
      watch.turn(newSink());
      void watch.run(url.value, signal);
      await clock.advance(10_000);
    }
    expect(seen.changes).toEqual([{ bandWidth: 0.2 }]);
  });

  it("are refused one by one, each told once", async () => {
    const { clock, seen, lines, newWatch, newSink, signal } = setup({
      latencyP95Seconds: { value: "soon", version: 1 },
      bandWidth: { value: "0.1", version: 1 },
    });
    const watch = newWatch();
    void watch.run(url.value, signal);
    watch.turn(newSink());
    await clock.advance(30_000);
    expect(seen.changes).toEqual([{ bandWidth: 0.1 }]);
    expect(lines.filter((line) => line.includes("latency-p95-seconds is 'soon'"))).toHaveLength(1);
  });

  it("say where the server is, once they do, and that it has moved", async () => {
    const { clock, seen, newWatch, signal } = setup({});
    const watch = newWatch();
    const address = watch.address(signal);
    seen.away = true;
    await clock.advance(10_000);
    seen.away = false;
    seen.parameters = { serverUrl: url };
    await clock.advance(10_000);
    expect(await address).toBe(url.value);

    const moved = watch.run(url.value, signal);
    await clock.advance(30_000);
    seen.parameters = { serverUrl: { value: "http://b.example.com", version: 2 } };
    await clock.advance(10_000);
    expect(await moved).toBe("http://b.example.com");
  });
});
