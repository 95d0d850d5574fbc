import { describe, expect, it } from "@jest/globals";
import { defaultKnobs } from "../../../core/workload/steering/knobs.ts";
import { silentLog } from "../../../platform/log.ts";
import {
  type Explanation,
  type KnobsChange,
  type SchedulerStatus,
  schedulerKnobs,
  schedulerStatus,
} from "../../../platform/scheduler-status.ts";
import { KnobsRefused } from "../../../services/scheduler/inputs.ts";
import { createStatusApp } from "../../../services/scheduler/status.ts";
import { servedAlone } from "../../support/scheduler.ts";

const status: SchedulerStatus = {
  serverId: "s",
  serverUrl: "http://127.0.0.1:9000",
  epoch: null,
  tick: null,
  mode: "waiting",
  reason: "another holds the lease",
  api: "place",
  backlog: 0,
  lateShare: null,
  placements: 0,
  planMs: null,
  inBand: { lastMinute: null, last10Minutes: null, lastHour: null },
  delaySeconds: null,
  windows: [],
  knobs: defaultKnobs,
  costs: { version: 0, ageSeconds: null, queries: 0 },
  lease: { slot: "a", token: 0, remainingMs: 0, holder: "b" },
  advice: null,
  trouble: [],
};
const explained: Explanation = {
  executionId: "x",
  queryId: "q",
  arrivedAt: 1,
  arrivedTick: 1,
  plannedAt: null,
  placedTick: null,
  reason: "none",
  matchedWith: [],
  executedAt: null,
  executedTick: null,
};

const token = "a-token-of-this-test-0123";

function setup() {
  const asked: unknown[] = [];
  const { app, serve } = createStatusApp(silentLog, { token });
  serve(
    servedAlone({
      run: async () => {},
      status(since) {
        asked.push(since);
        return status;
      },
      knobs: () => defaultKnobs,
      async changeKnobs(change: KnobsChange) {
        asked.push(change);
        if (change.burst === 7) throw new KnobsRefused("burst: no");
        if (change.burst === 8) throw new Error("away");
        return schedulerKnobs.parse({ ...defaultKnobs, ...change });
      },
      explain: (id) => (id === "x" ? explained : undefined),
    }),
  );
  const call = async (path: string, init: RequestInit = {}) => {
    const answer = await app.request(`http://localhost${path}`, {
      headers: { host: "localhost", authorization: `Bearer ${token}` },
      ...init,
    });
    const body: unknown = await answer.json();
    return { status: answer.status, body };
  };
  const put = (change: unknown) => call("/knobs", { method: "PUT", body: JSON.stringify(change) });
  return { asked, call, put };
}

describe("the scheduler's HTTP", () => {
  it("is 503 until there is a scheduler", async () => {
    const { app } = createStatusApp(silentLog);
    for (const path of ["/status", "/knobs", "/explain?execution=x"])
      expect((await app.request(`http://localhost${path}`, { headers: { host: "localhost" } })).status).toBe(503);
  });

  it("answers a status that its readers can parse, with the windows since a time", async () => {
    const { asked, call } = setup();
    expect(schedulerStatus.parse((await call("/status")).body)).toEqual(status);
    await call("/status?since=17");
    expect(asked).toEqual([undefined, 17]);
    expect(await call("/status?since=noon")).toMatchObject({ status: 400 });
  });

  it("turns knobs", async () => {
    const { asked, call, put } = setup();
    expect(await call("/knobs")).toEqual({ status: 200, body: JSON.parse(JSON.stringify(defaultKnobs)) });
    const change = { enabled: false, latencyP95Seconds: 2, bandWidth: 0.2, burst: 3 };
    expect(await put(change)).toEqual({ status: 200, body: { ...defaultKnobs, ...change } });
    expect(asked.at(-1)).toEqual(change);
  });

  it.each([
    [{ latencyP95Seconds: 0 }, "latencyP95Seconds"],
    [{ bandWidth: 1 }, "bandWidth"],
    [{ burst: 0.5 }, "burst"],
    [{ speed: 9 }, "speed"],
    [{ deadlineSeconds: { q: -1 } }, "deadlineSeconds.q"],
    [{ burst: 7 }, "burst: no"],
  ])("refuses %j in one line", async (change, named) => {
    const refused = await setup().put(change);
    expect(refused).toEqual({ status: 400, body: { error: expect.stringContaining(named) } });
    expect(JSON.stringify(refused)).not.toContain("\\n");
  });

  it("lets nobody turn knobs without the token", async () => {
    const { call } = setup();
    const headers = { host: "localhost" };
    expect(await call("/knobs", { method: "PUT", body: "{}", headers })).toMatchObject({ status: 401 });
    expect(await call("/status", { headers })).toMatchObject({ status: 200 });
  });

  it("says when knobs could not be stored", async () => {
    expect(await setup().put({ burst: 8 })).toMatchObject({ status: 503 });
  });

  it("explains an execution", async () => {
    const { call } = setup();
    expect(await call("/explain?execution=x")).toEqual({ status: 200, body: explained });
    expect(await call("/explain?execution=y")).toMatchObject({ status: 404 });
    expect(await call("/explain")).toMatchObject({ status: 400 });
  });
});
