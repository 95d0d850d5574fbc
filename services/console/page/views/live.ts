/** The live view: is the load level, what does that cost, and is everything recorded. */
import { type BandChart, bandPoint, createBandChart, resources, unitOf } from "../band-chart.ts";
import { fill, h, setText } from "../dom.ts";
import { formatShare } from "../format.ts";
import type { LiveStore } from "../live-store.ts";
import { type Parameters, replaceParameters } from "../router.ts";
import type { View } from "../view.ts";
import { createDelayCard } from "./live/delay-card.ts";
import { createHealthCards } from "./live/health-cards.ts";
import { createSwitchCard } from "./live/switch-card.ts";

const spans = ["1", "5", "10", "60"] as const;
const rates = ["1", "2", "5", "10"] as const;
const chartHeight = 132;

export function createLiveView(live: LiveStore, parameters: Parameters): View {
  let minutes = Number(parameters.one("minutes", spans, "5"));
  let everySeconds = Number(parameters.one("refresh", rates, "1"));
  let paused = parameters.one("paused", ["0", "1"], "0") === "1";
  let drawnAt = Number.NEGATIVE_INFINITY;

  const headline = h("p", { class: "headline", "data-figure": "minute" }, "–");
  const tenMinutes = h("b", {}, "–");
  const hour = h("b", {}, "–");
  const hero = h(
    "section",
    { class: "card hero", "aria-label": "Share of windows in band" },
    headline,
    h("p", {}, "of the last minute’s windows in band"),
    h(
      "div",
      { class: "beside" },
      h("p", { class: "small" }, tenMinutes, "10 minutes"),
      h("p", { class: "small" }, hour, "1 hour"),
    ),
  );

  const charts = new Map(
    resources.map((resource): [(typeof resources)[number], BandChart] => [
      resource,
      createBandChart(resource, chartHeight),
    ]),
  );
  const spanButtons = spans.map((span) =>
    h("button", { type: "button", "aria-pressed": "false", onClick: () => setSpan(Number(span)) }, `${span} min`),
  );
  const pause = h("button", { type: "button", "aria-pressed": "false", onClick: () => setPaused(!paused) }, "Pause");
  const rate = h(
    "select",
    { onChange: () => setRate(Number(rate.value)) },
    ...rates.map((seconds) =>
      h("option", { value: seconds, selected: Number(seconds) === everySeconds }, `${seconds} s`),
    ),
  );
  const pausedNote = h("span", { class: "bad", role: "status" });
  const chartCard = h(
    "section",
    { class: "card wide", "aria-label": "Load" },
    h(
      "div",
      { class: "toolbar" },
      h("h2", {}, "Load, a window of one second after the other"),
      h(
        "div",
        { class: "toolbar push" },
        pausedNote,
        h("fieldset", {}, h("legend", {}, "Show"), ...spanButtons),
        h("label", { class: "inline" }, "Refresh each", rate),
        pause,
      ),
    ),
    h(
      "p",
      { class: "key" },
      h("span", { class: "average" }, "average"),
      h("span", { class: "area" }, "smallest to largest tick"),
      h("span", { class: "limits" }, "band around the average"),
      h("span", { class: "out" }, "window out of band"),
      h("span", { class: "off" }, "not scheduled"),
    ),
    ...[...charts.values()].map(({ element }) => element),
  );

  const switchCard = createSwitchCard(live);
  const delayCard = createDelayCard();
  const health = createHealthCards();

  function draw(): void {
    const { state, windows } = live;
    if (!state) return;
    drawnAt = performance.now();
    setText(headline, formatShare(state.inBand.minute));
    setText(tenMinutes, formatShare(state.inBand.tenMinutes));
    setText(hour, formatShare(state.inBand.hour));
    const to = Math.max(windows.at(-1)?.at ?? 0, state.at);
    const from = to - minutes * 60_000;
    const shown = windows.filter(({ at }) => at > from);
    const width = state.scheduler?.knobs.bandWidth ?? 0.1;
    for (const [resource, chart] of charts)
      chart.show(
        shown.map((window) => bandPoint(window, resource, width)),
        { from, to, width, stepMs: 1_000, unit: unitOf(resource, state.spread) },
      );
    switchCard.update(state);
    delayCard.update(state);
    health.update(state);
  }

  function setSpan(value: number): void {
    minutes = value;
    for (const [index, button] of spanButtons.entries())
      button.setAttribute("aria-pressed", String(Number(spans[index]) === value));
    replaceParameters({ minutes: value === 5 ? undefined : value });
    draw();
    void readMore();
  }

  /** The page begins with ten minutes; a longer span is asked for. */
  async function readMore(): Promise<void> {
    if (minutes > 10) await live.readMinutes(minutes);
    if (minutes > 10) draw();
  }

  function setPaused(value: boolean): void {
    paused = value;
    pause.setAttribute("aria-pressed", String(value));
    fill(pause, value ? "Go on" : "Pause");
    setText(pausedNote, value ? "Paused: what is shown stands still" : "");
    replaceParameters({ paused: value ? 1 : undefined });
    if (!value) draw();
  }

  function setRate(seconds: number): void {
    everySeconds = seconds;
    replaceParameters({ refresh: seconds === 1 ? undefined : seconds });
  }

  const element = h(
    "div",
    {},
    h("h1", { class: "hidden" }, "Live"),
    h(
      "div",
      { class: "grid" },
      hero,
      switchCard.element,
      switchCard.comparison,
      chartCard,
      delayCard.element,
      ...health.elements,
    ),
  );
  setSpan(minutes);
  setPaused(paused);
  return {
    title: "Live",
    element,
    update() {
      const due = performance.now() - drawnAt >= everySeconds * 1_000 - 200;
      if (drawnAt === Number.NEGATIVE_INFINITY || (!paused && due)) draw();
    },
    close() {
      for (const chart of charts.values()) chart.close();
    },
  };
}
