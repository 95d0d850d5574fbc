/** The switch: the scheduler off and on, its latency budget and band, and what either way gave. */
import type { SchedulerKnobs } from "../../../../../platform/scheduler-status.ts";
import type { Figures, KnobsChange, LiveState } from "../../../contract/live.ts";
import { put } from "../../api.ts";
import { fill, h, setText } from "../../dom.ts";
import { formatSeconds, formatShare, formatTime } from "../../format.ts";
import type { LiveStore } from "../../live-store.ts";

/** Steps of the latency budget, in seconds. */
const budgets = [0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 60] as const;
/** The scheduler takes a change over at once; its status comes each second. */
const pendingMs = 4_000;

const modes: Readonly<Record<NonNullable<LiveState["scheduler"]>["mode"], string>> = {
  steering: "It steers.",
  learning: "It learns: what queries cost is not known well enough yet.",
  waiting: "It waits for its lease or for the server.",
  off: "It is off: nothing is delayed.",
};

export function createSwitchCard(live: LiveStore) {
  const toggle = h(
    "button",
    { type: "button", role: "switch", "aria-checked": "false", class: "toggle", disabled: true },
    "Scheduler",
  );
  const mode = h("span", { class: "quiet" });
  const message = h("p", { class: "bad", role: "alert" });
  const budget = h("input", {
    type: "range",
    min: 0,
    max: budgets.length - 1,
    step: 1,
    value: 7,
    disabled: true,
    id: "budget",
  });
  const budgetValue = h("output", { for: "budget" }, "–");
  const band = h("input", { type: "range", min: 2, max: 30, step: 1, value: 10, disabled: true, id: "band" });
  const bandValue = h("output", { for: "band" }, "–");
  let pendingUntil = 0;
  let inForce: SchedulerKnobs | undefined;

  async function change(what: KnobsChange): Promise<void> {
    pendingUntil = performance.now() + pendingMs;
    setText(message, "");
    try {
      inForce = await put<SchedulerKnobs>("/api/knobs", what);
      pendingUntil = performance.now() + pendingMs;
    } catch (error) {
      pendingUntil = 0;
      setText(message, error instanceof Error ? error.message : String(error));
    }
    if (live.state) update(live.state);
  }
  const budgetOf = (): number => budgets[Number(budget.value)] ?? 6;
  const showValues = (): void => {
    setText(budgetValue, `${budgetOf()}\u00a0s`);
    setText(bandValue, `±${band.value}\u00a0%`);
  };
  toggle.addEventListener("click", () => void change({ enabled: toggle.getAttribute("aria-checked") !== "true" }));
  budget.addEventListener("input", () => {
    pendingUntil = performance.now() + pendingMs;
    showValues();
  });
  band.addEventListener("input", () => {
    pendingUntil = performance.now() + pendingMs;
    showValues();
  });
  budget.addEventListener("change", () => void change({ latencyP95Seconds: budgetOf() }));
  band.addEventListener("change", () => void change({ bandWidth: Number(band.value) / 100 }));

  function update({ scheduler, parts }: LiveState): void {
    if (scheduler && performance.now() > pendingUntil) inForce = scheduler.knobs;
    const usable = scheduler !== null && inForce !== undefined;
    for (const control of [toggle, budget, band]) control.disabled = !usable;
    const absent = parts.some(({ name, state }) => name === "scheduler" && state === "absent");
    if (absent) setText(mode, "This loop runs without a scheduler.");
    else if (!scheduler) setText(mode, "It is away.");
    else setText(mode, scheduler.reason ?? scheduler.advice ?? modes[scheduler.mode]);
    if (!inForce) return;
    toggle.setAttribute("aria-checked", String(inForce.enabled));
    setText(toggle, inForce.enabled ? "Scheduler on" : "Scheduler off");
    if (performance.now() <= pendingUntil) return;
    const wanted = inForce.latencyP95Seconds;
    const nearest = budgets.reduce(
      (best, value, index) => (Math.abs(value - wanted) < Math.abs((budgets[best] ?? 0) - wanted) ? index : best),
      0,
    );
    budget.value = String(nearest);
    band.value = String(Math.round(inForce.bandWidth * 100));
    setText(budgetValue, `${wanted}\u00a0s`);
    setText(bandValue, `±${Math.round(inForce.bandWidth * 100)}\u00a0%`);
  }

  const body = h("tbody");
  const comparison = h(
    "section",
    { class: "card", "aria-label": "Before and after" },
    h("h2", {}, "Before and after"),
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", {}, h("span", { class: "hidden" }, "Figure")),
          h("th", { class: "number", scope: "col" }, "not scheduled"),
          h("th", { class: "number", scope: "col" }, "scheduled"),
        ),
      ),
      body,
    ),
    h("p", { class: "small quiet" }, "The last 10 minutes of either since this console started"),
  );

  return {
    element: h(
      "section",
      { class: "card switch", "aria-label": "The switch" },
      h("div", { class: "toolbar" }, toggle, mode),
      h(
        "div",
        { class: "knobs" },
        h("div", {}, h("label", { for: "budget" }, "Delay that 95 % may take: ", budgetValue), budget),
        h("div", {}, h("label", { for: "band" }, "Band around the average: ", bandValue), band),
      ),
      message,
    ),
    comparison,
    update(state: LiveState) {
      update(state);
      fill(body, ...rowsOf(state.comparison));
    },
  };
}

function rowsOf({ off, on }: LiveState["comparison"]): HTMLElement[] {
  const row = (title: string, value: (figures: Figures) => string) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, title),
      h("td", { class: "number" }, off ? value(off) : "–"),
      h("td", { class: "number" }, on ? value(on) : "–"),
    );
  return [
    row("Windows in band", ({ inBand }) => formatShare(inBand)),
    row("Furthest tick", ({ deviation }) => `±${(100 * deviation).toFixed(0)} %`),
    row("Peak to mean", ({ peakToMean }) => `${peakToMean.toFixed(2)} ×`),
    row("Delay p50 / p95", ({ delay }) => `${formatSeconds(delay?.p50)} / ${formatSeconds(delay?.p95)}`),
    row("Windows", ({ windows }) => String(windows)),
    row("Until", ({ to }) => formatTime(to)),
  ];
}
