/** The scheduler before a server whose executions last: the gatekeeper, with an application and a database played here. */
import { setInterval as every } from "node:timers";
import { afterAll, expect, it } from "@jest/globals";
import type { GateEvent, GateExecutions } from "../../../platform/gate-wire.ts";
import { schedulerKnobs } from "../../../platform/scheduler-status.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { eventually } from "../../support/eventually.ts";
import { startGatekeeper, type TestGatekeeper } from "../../support/gatekeeper.ts";
import { type SchedulerProcess, startScheduler, writeCosts } from "../../support/scheduler.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";

const directory = temporaryDirectory();
const running: SchedulerProcess[] = [];
const timers: NodeJS.Timeout[] = [];
let server: TestGatekeeper | undefined;
afterAll(async () => {
  for (const timer of timers) clearInterval(timer);
  for (const { child } of running) child.kill("SIGKILL");
  await server?.stop();
  directory[Symbol.dispose]();
}, 20_000);

const works = [20, 60, 150];

const none: GateExecutions = { number: [], statement: [], heldMs: [], agoMs: [], durationMs: [] };

/** Runs what is released for as long as it costs, and samples its use. */
function play({ gatekeeper }: TestGatekeeper) {
  const arrivedAt = new Map<string, number>();
  const begunAt = new Map<string, number>();
  let [batches, asked] = [0, 0];
  const statements = works.map((work) => ({ id: `q${work}` }));
  const report = (events: readonly GateEvent[], executions: GateExecutions = none) =>
    gatekeeper.report({
      ...{ process: "p", application: "a", database: "d", role: "r", mode: "enforce", number: ++batches, statements },
      ...{ events: [...events], executions },
    });
  const workOf = (id: string) => works[Number(id.split("-")[1]) % works.length] ?? 0;
  const tell = (id: string, durationMs: number | null) => {
    const agoMs = Date.now() - (begunAt.get(id) ?? 0);
    const heldMs = (begunAt.get(id) ?? 0) - (arrivedAt.get(id) ?? 0);
    const statement = works.indexOf(workOf(id));
    report([], {
      ...{ number: [Number(id.split("-")[1])], statement: [statement], heldMs: [heldMs] },
      ...{ agoMs: [agoMs], durationMs: [durationMs === null ? null : agoMs] },
    });
  };
  const begin = (id: string) => {
    begunAt.set(id, Date.now());
    tell(id, null);
    setTimeout(() => tell(id, workOf(id)), workOf(id));
  };
  report([]);
  gatekeeper.follow("p", (message) => {
    if (message.type === "release") for (const id of message.ids) if (!begunAt.has(id)) begin(id);
  });
  let from = Date.now();
  timers.push(
    every(() => {
      const to = Date.now();
      const active = [...begunAt].filter(([id, at]) => at + workOf(id) > from).length;
      if (to > from) gatekeeper.sampled([{ from, to, cpuMs: active * (to - from), ioKiB: 0, memoryMiB: 64 }]);
      from = to;
    }, 50),
  );
  return {
    begunAt,
    burst(count: number, withinMs: number) {
      const ids = Array.from({ length: count }, () => `p-${asked++}`);
      for (const id of ids) arrivedAt.set(id, Date.now());
      report(
        ids.map((id) => ({
          type: "queued",
          id,
          statement: works.indexOf(workOf(id)),
          agoMs: 0,
          withinMs,
          shadow: false,
        })),
      );
      return ids;
    },
  };
}

it("paces a burst over the budget, tells the floor, and promises no band below it", async () => {
  const environment = sharedCloud();
  const gatekeeper = await startGatekeeper(directory.path);
  server = gatekeeper;
  const { serverId } = gatekeeper.gatekeeper.info();
  const cost = (work: number) =>
    ({ mean: [work, 0, 0], sd: [1, 0, 0], seen: 100, lastSeenAt: Date.now(), durationMs: work }) as const;
  await writeCosts(
    environment,
    serverId,
    works.map((work) => [`q${work}`, cost(work)]),
  );
  const application = play(gatekeeper);
  const scheduler = await startScheduler(environment, { EVENKEEL_SERVER_URL: gatekeeper.url });
  running.push(scheduler);
  await eventually(
    async () => (await scheduler.status())?.mode,
    (mode) => mode === "steering",
  );

  // The first one shows the gatekeeper that a scheduler is there.
  const [first = ""] = application.burst(1, 60_000);
  await eventually(
    async () => application.begunAt.has(first),
    (begun) => begun,
  );
  const ids = application.burst(60, 60_000);
  const waited = await eventually(
    async () => ids.filter((id) => !application.begunAt.has(id)).length,
    (left) => left === 0,
  );
  expect(waited).toBe(0);
  const begun = ids.map((id) => application.begunAt.get(id) ?? 0);
  // Without steering all of them would begin together, some 300 ms after they came.
  expect(Math.max(...begun) - Math.min(...begun)).toBeGreaterThan(2_500);

  const status = await scheduler.status();
  expect(status?.floor).toMatchObject({
    width: expect.any(Number),
    reason: expect.stringContaining("q150, 150 CPU ms"),
  });
  const answer = await fetch(`${scheduler.url}/knobs`, {
    method: "PUT",
    headers: { authorization: `Bearer ${process.env.EVENKEEL_TOKEN}` },
    body: JSON.stringify({ bandWidth: 0.001 }),
  });
  const knobs = schedulerKnobs.parse(await answer.json());
  expect(knobs.bandWidth).toBeGreaterThanOrEqual(status?.floor?.width ?? 1);
  expect((await scheduler.status())?.advice).toMatch(
    /a band of ±0\.1% cannot be kept: .*; the nearest promise is ±\d+%$/,
  );
}, 90_000);
