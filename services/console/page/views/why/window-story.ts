import type { WindowStory } from "../../../contract/why.ts";
import { resources, resourceTitles, unitOf } from "../../band-chart.ts";
import { type Child, h } from "../../dom.ts";
import { formatCount, formatMoment } from "../../format.ts";
import { queryLink } from "../../links.ts";
import { addressOf } from "../../router.ts";
import { costUnit } from "../queries.ts";

/** `spread`: executions last, so that what started in a tick is not what the tick used. */
export function renderWindow(story: WindowStory, spread: boolean): Child[] {
  const { metrics, ticks, bandWidth } = story;
  const verdict =
    story.inBand === null
      ? ""
      : story.inBand
        ? h("span", { class: "good" }, "in band")
        : h("span", { class: "bad" }, "out of band");
  const measured = metrics
    ? resources.map((resource, index) => {
        const { average, min, max } = metrics[resource];
        const sums = ticks.map(({ predicted }) => predicted[index] ?? 0);
        const unit = unitOf(resource, spread);
        const range = (least: number, most: number) => `${least.toFixed(0)} to ${most.toFixed(0)} ${unit}`;
        const said = sums.length > 0 && !spread ? range(Math.min(...sums), Math.max(...sums)) : "–";
        const limits = spread ? "–" : range((1 - bandWidth) * average, (1 + bandWidth) * average);
        return h(
          "tr",
          {},
          ...[resourceTitles[resource], `${average} ${unit}`, range(min, max), limits, said].map((text) =>
            h("td", {}, text),
          ),
        );
      })
    : [];
  const mostOf = (index: number) => Math.max(1, ...ticks.map(({ predicted }) => predicted[index] ?? 0));
  const most = spread ? [0, 1, 2].map(mostOf) : Array(3).fill(Math.max(...[0, 1, 2].map(mostOf)));
  return [
    h(
      "section",
      { class: "card wide" },
      h("h2", {}, `Window until ${formatMoment(story.at)} `, verdict),
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ...["Resource", "Average", "Smallest to largest tick", "Band", "As the costs have it"].map((title) =>
              h("th", { scope: "col" }, title),
            ),
          ),
        ),
        h("tbody", {}, ...measured),
      ),
      story.source === "stream" && h("p", { class: "quiet small" }, "Not in the table yet: told from the stream."),
    ),
    h(
      "section",
      { class: "card wide" },
      h("h2", {}, "Tick by tick"),
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Tick by tick" },
        h(
          "table",
          {},
          h(
            "thead",
            {},
            h(
              "tr",
              {},
              ...["Tick", "CPU", "IO", "Memory", spread ? "What started, and its whole cost" : "What ran"].map(
                (title) => h("th", { scope: "col" }, title),
              ),
            ),
          ),
          h(
            "tbody",
            {},
            ...ticks.map(({ tick, predicted, executions }) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, formatCount(tick)),
                ...predicted.map((value, index) =>
                  h(
                    "td",
                    { class: "nowrap" },
                    meter(value / most[index], resources[index] ?? "cpu"),
                    ` ${value.toFixed(0)} ${costUnit(index, spread)}`,
                  ),
                ),
                h(
                  "td",
                  {},
                  ...executions.flatMap(({ queryId, executionId }) => [
                    h(
                      "div",
                      {},
                      queryLink(queryId),
                      executionId !== null && " ",
                      executionId !== null && h("a", { href: addressOf("/why", { execution: executionId }) }, "why"),
                    ),
                  ]),
                ),
              ),
            ),
          ),
        ),
      ),
      h("p", { class: "quiet small" }, "Sums of the costs as they are believed now."),
    ),
  ];
}

function meter(share: number, resource: string): HTMLElement {
  const level = Math.max(0, Math.min(20, Math.round(share * 20)));
  return h("span", { class: `meter ${resource} level-${level}`, "aria-hidden": "true" });
}
