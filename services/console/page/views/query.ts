/** One query: what it is believed to cost, and what ran when and how late. */
import type { QueryAnswer } from "../../contract/queries.ts";
import { request } from "../api.ts";
import { type Child, h } from "../dom.ts";
import { formatAge, formatCount, formatMoment, formatSeconds, formatShare } from "../format.ts";
import { executionLink } from "../links.ts";
import type { LiveStore } from "../live-store.ts";
import { Loader } from "../load.ts";
import { createRangeForm } from "../range-form.ts";
import { addressOf, type Parameters } from "../router.ts";
import { sparkline } from "../sparkline.ts";
import type { View } from "../view.ts";
import { formatCost } from "./queries.ts";
import { createConvergence } from "./query/convergence.ts";

const hourMs = 3_600_000;

export function createQueryView(_live: LiveStore, parameters: Parameters): View {
  const id = parameters.text("id");
  const answer = h("div", { class: "grid" });
  const loader = new Loader(answer);
  const range = createRangeForm(parameters, { defaultMs: hourMs, mostMs: 24 * hourMs }, ({ from, to }) => {
    const address = addressOf(`/api/queries/${encodeURIComponent(id)}`, { from, to });
    void loader.show((signal) => request<QueryAnswer>(address, { signal }), render);
  });
  if (id !== "") range.submit();
  const convergence = createConvergence(id);
  return {
    title: "Query",
    element: h(
      "div",
      {},
      h("p", { class: "small" }, h("a", { href: "/queries" }, "All queries")),
      h("h1", {}, "Query ", h("span", { class: "id" }, id || "without an id")),
      id === ""
        ? h("p", { class: "notice" }, "This address names no query: choose one from the table of all.")
        : range.element,
      answer,
      id !== "" && convergence.element,
    ),
    close() {
      loader.close();
      convergence.close();
    },
  };
}

function render({ query, minutes, executions }: QueryAnswer): Child[] {
  const { durationMs } = query;
  const cost = (resource: 0 | 1 | 2) =>
    `${formatCost(query, resource)}${durationMs === null && query.mean ? " of a tick" : ""}`;
  const entry = (title: string, value: Child) => [h("dt", {}, title), h("dd", {}, value)];
  const facts = h(
    "dl",
    {},
    ...entry("CPU", cost(0)),
    ...entry("IO", cost(1)),
    ...entry("Memory", cost(2)),
    ...(durationMs === null ? [] : entry("Lasts", `${Math.round(durationMs)} ms with the database to itself`)),
    ...entry("Seen by the estimate", `${formatCount(query.seen)} executions`),
    ...entry("Traffic", `${query.perMinute.toFixed(1)} a minute over ten minutes`),
    ...entry("Part of the load", formatShare(query.loadShare, 1)),
    ...entry("Mean delay", `${formatSeconds(query.meanDelaySeconds)} over ten minutes`),
    ...entry("Last seen", formatAge(query.lastSeenAt, Date.now())),
  );
  const counts = minutes.map(({ executions: count }) => count);
  const delays = minutes.map(({ meanDelaySeconds }) => meanDelaySeconds);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const longest = Math.max(0, ...minutes.map(({ maxDelaySeconds }) => maxDelaySeconds));
  return [
    h("section", { class: "card third" }, h("h2", {}, "What it is believed to cost"), facts),
    h(
      "section",
      { class: "card third" },
      h("h2", {}, "In this time"),
      h("p", {}, `${formatCount(total)} executions, longest delay ${formatSeconds(longest)}`),
      h("p", { class: "quiet small" }, "executions a minute"),
      sparkline(counts, `executions a minute, at most ${Math.max(0, ...counts)}`),
      h("p", { class: "quiet small" }, "mean delay, minute by minute"),
      sparkline(delays, `mean delay, at most ${formatSeconds(Math.max(0, ...delays))}`),
    ),
    h(
      "section",
      { class: "card wide" },
      h(
        "h2",
        {},
        executions.length < total ? `The newest ${executions.length} recorded executions` : "Recorded executions",
      ),
      executions.length === 0
        ? h("p", { class: "quiet" }, "None is recorded in this time.")
        : h(
            "div",
            { class: "scroll tall", tabindex: 0, role: "region", "aria-label": "Recorded executions" },
            h(
              "table",
              {},
              h(
                "thead",
                {},
                h(
                  "tr",
                  {},
                  ...["Executed", "Delay", "Tick", "Execution"].map((title) => h("th", { scope: "col" }, title)),
                ),
              ),
              h(
                "tbody",
                {},
                ...executions.map(({ executionId, executedAt, delaySeconds, tick }) =>
                  h(
                    "tr",
                    {},
                    h("td", { class: "nowrap" }, formatMoment(executedAt)),
                    h("td", {}, formatSeconds(delaySeconds)),
                    h("td", {}, formatCount(tick)),
                    h("td", {}, executionLink(executionId, query.queryId, executedAt)),
                  ),
                ),
              ),
            ),
          ),
    ),
  ];
}
