/** Why an execution ran when it did, and what ran in a window. */
import type { ExecutionStory, WindowStory } from "../../contract/why.ts";
import { request } from "../api.ts";
import { type Child, fill, h } from "../dom.ts";
import { formatCount, formatMoment, formatSeconds } from "../format.ts";
import { executionLink, queryLink, windowLink } from "../links.ts";
import type { LiveStore } from "../live-store.ts";
import { Loader } from "../load.ts";
import { addressOf, type Parameters } from "../router.ts";
import type { View } from "../view.ts";
import { renderWindow } from "./why/window-story.ts";

const farFuture = 9_999_999_999_999;
const refreshMs = 2_000;
const newestWindows = 20;

export function createWhyView(live: LiveStore, parameters: Parameters): View {
  const execution = parameters.text("execution");
  const window = parameters.number("window", 0, 0, farFuture);
  const query = parameters.text("query") || undefined;
  const at = parameters.number("at", 0, 0, farFuture) || undefined;
  const answer = h("div", { class: "grid" });
  const loader = new Loader(answer);
  const recent = h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The newest windows" });
  let askedAt = Number.NEGATIVE_INFINITY;
  let settled = false;

  function ask(quiet: boolean): void {
    askedAt = performance.now();
    if (execution !== "") {
      const address = addressOf(`/api/why/execution/${encodeURIComponent(execution)}`, { query, at });
      const show = (story: ExecutionStory) => {
        settled = story.recorded?.recordedAt != null;
        return renderExecution(story);
      };
      void loader.show((signal) => request<ExecutionStory>(address, { signal }), show, { quiet });
    } else if (window > 0) {
      settled = true;
      const address = addressOf("/api/why/window", { at: window });
      void loader.show(
        (signal) => request<WindowStory>(address, { signal }),
        (story) => renderWindow(story, live.state?.spread ?? false),
      );
    }
  }
  const input = h("input", {
    type: "text",
    name: "execution",
    maxlength: 200,
    value: execution,
    size: 38,
    required: true,
  });
  const empty = execution === "" && window === 0;
  ask(false);
  return {
    title: "Why",
    element: h(
      "div",
      {},
      h("h1", {}, empty ? "Why" : execution !== "" ? "Why did this execution run then?" : "What ran in this window?"),
      h(
        "form",
        { class: "row", action: "/why", onSubmit: (event) => goTo(event, input.value) },
        h("label", {}, "Execution’s id", input),
        h("button", { class: "primary" }, "Ask"),
      ),
      answer,
      empty && h("section", { class: "card" }, h("h2", {}, "The newest windows"), recent),
    ),
    update() {
      if (empty) fill(recent, windowTable(live));
      else if (!settled && performance.now() - askedAt > refreshMs) ask(true);
    },
    close: () => loader.close(),
  };
}

function goTo(event: Event, execution: string): void {
  event.preventDefault();
  history.pushState(null, "", addressOf("/why", { execution: execution.trim() }));
  dispatchEvent(new PopStateEvent("popstate"));
}

function windowTable({ windows }: LiveStore): HTMLElement {
  if (windows.length === 0) return h("p", { class: "quiet" }, "None has closed yet.");
  const newest = windows.slice(-newestWindows).reverse();
  return h(
    "table",
    {},
    h(
      "thead",
      {},
      h("tr", {}, ...["Ended", "Executions", "Furthest tick", "Band"].map((title) => h("th", { scope: "col" }, title))),
    ),
    h(
      "tbody",
      {},
      ...newest.map(({ at, ran, deviation, inBand }) =>
        h(
          "tr",
          {},
          h("td", {}, windowLink(at)),
          h("td", {}, formatCount(ran)),
          h("td", {}, `±${(100 * deviation).toFixed(0)} %`),
          h("td", {}, inBand ? "in band" : h("span", { class: "bad" }, "out of band")),
        ),
      ),
    ),
  );
}

function renderExecution(story: ExecutionStory): Child[] {
  const tick = (number: number | null) => (number === null ? "" : `, tick ${formatCount(number)}`);
  const moment = (at: number | null, what: string) => (at === null ? `not known ${what}` : formatMoment(at));
  const { plan, recorded } = story;
  const steps: (readonly [string, ...Child[]])[] = [
    ["Query", queryLink(story.queryId)],
    ["Arrived", `${moment(story.arrivedAt, "when: the console did not see it")}${tick(story.arrivedTick)}`],
  ];
  if (story.firstDueTick !== null)
    steps.push(["By itself", `it would have run in tick ${formatCount(story.firstDueTick)}`]);
  if (!plan) steps.push(["Planned", story.planProblem ?? "not by a scheduler"]);
  else {
    const when =
      plan.plannedAt === null
        ? ""
        : `${formatMoment(plan.plannedAt)}${plan.placedTick === null ? "" : `, for tick ${formatCount(plan.placedTick)}`}: `;
    steps.push(["Planned", `${when}${plan.reason}`]);
    if (plan.matched.length > 0) {
      const list = plan.matched.map(({ executionId, queryId }) =>
        h("li", {}, executionLink(executionId), queryId !== null && " of ", queryId !== null && queryLink(queryId)),
      );
      steps.push([
        "Together with",
        h("details", {}, h("summary", {}, `${plan.matched.length} executions in the same tick`), h("ul", {}, ...list)),
      ]);
    }
  }
  steps.push([
    "Executed",
    ...(story.executedAt === null
      ? ["it still waits"]
      : [windowLink(story.executedAt), `${tick(story.executedTick)}, after ${formatSeconds(story.delaySeconds)}`]),
  ]);
  const where = recorded ? `row ${formatCount(recorded.sequence)} of outbox ${recorded.incarnation}` : "";
  steps.push([
    "Recorded",
    recorded
      ? `${recorded.recordedAt === null ? "in the table, its receipt is not there yet" : formatMoment(recorded.recordedAt)}; ${where}`
      : story.executedAt === null
        ? "after it has run"
        : "not yet: the server packs two seconds of rows into a message",
  ]);
  return [
    h(
      "section",
      { class: "card wide" },
      h("h2", { class: "id" }, story.executionId),
      h(
        "ol",
        { class: "story" },
        ...steps.map(([title, ...value]) => h("li", {}, h("b", {}, title), h("span", {}, ...value))),
      ),
    ),
  ];
}
