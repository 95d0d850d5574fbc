/** What other latency budgets would make of recorded traffic: the frontier, with today's point, and a replay of the last hour. */
import type { WhatIf } from "../../contract/jobs.ts";
import { type Child, fill, h, setText } from "../dom.ts";
import { formatCount, formatMoment, formatSeconds, formatShare } from "../format.ts";
import { awaitJob } from "../job.ts";
import type { LiveStore } from "../live-store.ts";
import { addressOf, type Parameters, replaceParameters } from "../router.ts";
import type { View } from "../view.ts";
import { createFrontierChart, predict } from "./what-if/frontier-chart.ts";

const spans = ["5", "10", "30", "60"] as const;
const leastBudget = 0.3;
const mostBudget = 30;
/** The slider moves over the logarithm of the budget. */
const steps = 100;

export function createWhatIfView(_live: LiveStore, parameters: Parameters): View {
  let minutes = Number(parameters.one("minutes", spans, "10"));
  let budget = parameters.number("latency", 0, leastBudget, mostBudget);
  const to = parameters.number("to", 0, 0, 9_999_999_999_999);
  let frontier: WhatIf | undefined;
  let running = new AbortController();
  let replaying = new AbortController();

  const progress = h("div");
  const problem = h("div", { role: "alert" });
  const about = h("p", { class: "quiet" });
  const chart = createFrontierChart();
  const slider = h("input", { type: "range", min: 0, max: steps, step: 1, id: "what-budget", disabled: true });
  const budgetValue = h("output", { for: "what-budget" }, "–");
  const prediction = h("p", { role: "status" }, "–");
  const replayButton = h(
    "button",
    { type: "button", class: "primary", disabled: true, onClick: () => void replay() },
    "Replay the last hour under it",
  );
  const replayProgress = h("div");
  const replayed = h("div");
  const points = h("tbody");
  const span = h(
    "select",
    {
      onChange: () => {
        minutes = Number(span.value);
        void ask();
      },
    },
    ...spans.map((value) => h("option", { value, selected: Number(value) === minutes }, `the last ${value} minutes`)),
  );

  async function ask(): Promise<void> {
    running.abort();
    running = new AbortController();
    replaceParameters({ minutes: minutes === 10 ? undefined : minutes });
    fill(problem);
    try {
      const address = addressOf("/api/what-if", { minutes, to: to || undefined });
      const result = await awaitJob<WhatIf>(address, progress, running.signal);
      if (result) show(result);
    } catch (error) {
      if (!running.signal.aborted) fail(problem, progress, error, ask);
    }
  }

  function show(result: WhatIf): void {
    frontier = result;
    if (budget === 0) budget = result.latencyP95Seconds;
    const { happened, executions, from } = result;
    setText(
      about,
      `${formatCount(executions)} executions recorded between ${formatMoment(from)} and ${formatMoment(result.to)}, run again in virtual time with the costs learned by now. ` +
        `As recorded: ${formatShare(happened.inBand, 1)} in band at a delay p95 of ${formatSeconds(happened.delayP95)}.` +
        result.warnings.map((warning) => ` ${warning}.`).join(""),
    );
    slider.disabled = false;
    replayButton.disabled = false;
    slider.value = String(Math.round((steps * Math.log(budget / leastBudget)) / Math.log(mostBudget / leastBudget)));
    fill(points, ...rowsOf(result));
    showBudget();
  }

  function showBudget(): void {
    if (!frontier) return;
    const predicted = predict(frontier, budget);
    setText(budgetValue, `${budget.toPrecision(2)} s`);
    setText(
      prediction,
      `Predicted: ${formatShare(predicted.inBand)} of windows in band, delay p95 ${formatSeconds(predicted.delayP95)}`,
    );
    chart.show(frontier, { budget, ...predicted });
  }

  async function replay(): Promise<void> {
    replaying.abort();
    replaying = new AbortController();
    fill(replayed);
    try {
      const address = addressOf("/api/what-if", {
        minutes: 60,
        latency: Number(budget.toPrecision(2)),
        to: to || undefined,
      });
      const result = await awaitJob<WhatIf>(address, replayProgress, replaying.signal);
      if (result) fill(replayed, ...renderReplay(result));
    } catch (error) {
      if (!replaying.signal.aborted) fail(replayed, replayProgress, error, replay);
    }
  }

  slider.addEventListener("input", () => {
    budget = leastBudget * (mostBudget / leastBudget) ** (Number(slider.value) / steps);
    showBudget();
  });
  slider.addEventListener("change", () => replaceParameters({ latency: budget.toPrecision(2) }));
  void ask();

  return {
    title: "What if",
    element: h(
      "div",
      {},
      h("h1", {}, "What if"),
      h("form", { class: "row", onSubmit: (event) => event.preventDefault() }, h("label", {}, "Run again", span)),
      progress,
      problem,
      h(
        "div",
        { class: "grid" },
        h("section", { class: "card wide" }, h("h2", {}, "Share in band against delay"), chart.element, about),
        h(
          "section",
          { class: "card half" },
          h("label", { for: "what-budget" }, "Delay that 95 % may take: ", budgetValue),
          slider,
          prediction,
          h("p", {}, replayButton),
          replayProgress,
          replayed,
        ),
        h(
          "section",
          { class: "card half" },
          h("h2", {}, "Tried"),
          h(
            "table",
            {},
            h(
              "thead",
              {},
              h(
                "tr",
                {},
                h("th", { scope: "col" }, "Policy"),
                ...["Budget", "In band", "p50", "p95", "p99"].map((title) =>
                  h("th", { class: "number", scope: "col" }, title),
                ),
              ),
            ),
            points,
          ),
        ),
      ),
    ),
    close() {
      running.abort();
      replaying.abort();
    },
  };
}

function fail(target: Element, progress: Element, error: unknown, again: () => Promise<void>): void {
  fill(progress);
  const message = error instanceof Error ? error.message : String(error);
  const button = h("button", { type: "button", onClick: () => void again() }, "Try again");
  fill(target, h("p", { class: "notice" }, message, " ", button));
}

const policies = { planner: "scheduled", fifo: "first come, first served", none: "not scheduled" } as const;

function rowsOf({ points }: WhatIf): HTMLElement[] {
  return points.map(({ policy, latencyP95Seconds, measures }) => {
    const budget = latencyP95Seconds === null ? "–" : `${latencyP95Seconds} s`;
    const values = [
      budget,
      formatShare(measures.inBand, 1),
      ...[measures.delayP50, measures.delayP95, measures.delayP99].map(formatSeconds),
    ];
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, policies[policy]),
      ...values.map((value) => h("td", { class: "number" }, value)),
    );
  });
}

function renderReplay({ happened, points, from, to, executions }: WhatIf): Child[] {
  const would = points.find(({ policy }) => policy === "planner");
  if (!would) return [];
  const row = (title: string, read: (measures: WhatIf["happened"]) => string) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, title),
      ...[happened, would.measures].map((of) => h("td", { class: "number" }, read(of))),
    );
  return [
    h(
      "p",
      { class: "quiet small" },
      `${formatCount(executions)} executions between ${formatMoment(from)} and ${formatMoment(to)}`,
    ),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "Figure"),
          h("th", { class: "number", scope: "col" }, "did happen"),
          h("th", { class: "number", scope: "col" }, `with ${would.latencyP95Seconds} s`),
        ),
      ),
      h(
        "tbody",
        {},
        row("In band", ({ inBand }) => formatShare(inBand, 1)),
        row("Empty windows", ({ idleShare }) => formatShare(idleShare, 1)),
        row("Delay p50", ({ delayP50 }) => formatSeconds(delayP50)),
        row("Delay p95", ({ delayP95 }) => formatSeconds(delayP95)),
        row("Delay p99", ({ delayP99 }) => formatSeconds(delayP99)),
        row("Longest delay", ({ delayMax }) => formatSeconds(delayMax)),
      ),
    ),
  ];
}
