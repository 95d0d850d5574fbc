import { setImmediate as turn } from "node:timers/promises";
import { describe, expect, it } from "@jest/globals";
import type { Placement } from "../../../core/workload/types.ts";
import type { PlaceResponse } from "../../../platform/wire.ts";
import { createPoster } from "../../../services/scheduler/poster.ts";

function setup() {
  const requests: { batch: readonly Placement[]; answer(tick: number, moved?: number): void; fail(): void }[] = [];
  const answers: { tick: number; late: number }[] = [];
  const failures: unknown[] = [];
  const poster = createPoster({
    send: (batch) =>
      new Promise<PlaceResponse>((resolve, reject) => {
        requests.push({
          batch,
          answer: (tick, moved = 0) =>
            resolve({ tick, results: batch.map(({ id, tick: at }) => ({ id, outcome: "placed", tick: at + moved })) }),
          fail: () => reject(new Error("away")),
        });
      }),
    onAnswer: ({ tick }, late) => answers.push({ tick, late }),
    onFailure: (error) => failures.push(error),
  });
  const sent = () => requests.map(({ batch }) => batch.map(({ id, tick }) => `${id}@${tick}`).join(" "));
  return { poster, requests, answers, failures, sent };
}

describe("posting placements", () => {
  it("sends a tick's placements in one request, without waiting for the last one's answer", () => {
    const { poster, sent } = setup();
    poster.post([
      { id: "a", tick: 5 },
      { id: "b", tick: 6 },
    ]);
    poster.post([{ id: "c", tick: 7 }]);
    expect(sent()).toEqual(["a@5 b@6", "c@7"]);
  });

  it("never has two requests for one execution under way: the later wish follows the answer", async () => {
    const { poster, requests, sent } = setup();
    poster.post([{ id: "a", tick: 5 }]);
    poster.post([
      { id: "a", tick: 6 },
      { id: "b", tick: 6 },
    ]);
    poster.post([{ id: "a", tick: 7 }]);
    expect(sent()).toEqual(["a@5", "b@6"]);
    requests[0]?.answer(4);
    await turn();
    expect(sent()).toEqual(["a@5", "b@6", "a@7"]);
  });

  it("counts as late what came after its tick, and nothing else", async () => {
    const { poster, requests, answers } = setup();
    poster.post([
      { id: "a", tick: 5 },
      { id: "b", tick: 9 },
    ]);
    requests[0]?.answer(5, 1);
    await turn();
    // a was for tick 5, which has run; b was for 9 and got 10 because its default delay says so.
    expect(answers).toEqual([{ tick: 5, late: 1 }]);
  });

  it("counts an execution that had run already as late", async () => {
    let late = -1;
    const poster = createPoster({
      send: async () => ({ tick: 3, results: [{ id: "a", outcome: "gone" }] }),
      onAnswer: (_, count) => {
        late = count;
      },
      onFailure() {},
    });
    poster.post([{ id: "a", tick: 5 }]);
    await turn();
    expect(late).toBe(1);
  });

  it("forgets what was not sent when a request fails", async () => {
    const { poster, requests, failures, sent } = setup();
    poster.post([{ id: "a", tick: 5 }]);
    poster.post([{ id: "a", tick: 6 }]);
    requests[0]?.fail();
    await turn();
    expect(failures).toHaveLength(1);
    expect(sent()).toEqual(["a@5"]);
  });

  it("keeps to four requests and 4,000 placements a request", async () => {
    const { poster, requests } = setup();
    poster.post(Array.from({ length: 17_000 }, (_, k) => ({ id: `e${k}`, tick: 1 })));
    expect(requests.map(({ batch }) => batch.length)).toEqual([4_000, 4_000, 4_000, 4_000]);
    requests[0]?.answer(0);
    await turn();
    expect(requests.map(({ batch }) => batch.length)).toEqual([4_000, 4_000, 4_000, 4_000, 1_000]);
  });
});
