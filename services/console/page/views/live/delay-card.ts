import type { DelaySummary, LiveState } from "../../../contract/live.ts";
import { fill, h, svg } from "../../dom.ts";
import { formatCount, formatSeconds, formatShare } from "../../format.ts";

const barWidth = 34;
const barsHeight = 96;
const footHeight = 18;

/** How long executions waited: the distribution, and the percentiles of a minute, ten minutes and an hour. */
export function createDelayCard() {
  const bars = svg("svg", { class: "bars", role: "img", preserveAspectRatio: "none" });
  const body = h("tbody");
  const element = h(
    "section",
    { class: "card third", "aria-label": "Delay" },
    h("h2", {}, "Delay from arrival to execution"),
    bars,
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          h("th", { scope: "col" }, "last"),
          ...["p50", "p95", "p99", "longest"].map((title) => h("th", { class: "number", scope: "col" }, title)),
        ),
      ),
      body,
    ),
  );
  return {
    element,
    update({ delay }: LiveState): void {
      const row = (title: string, summary: DelaySummary | null) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, title),
          ...[summary?.p50, summary?.p95, summary?.p99, summary?.max].map((value) =>
            h("td", { class: "number" }, formatSeconds(value)),
          ),
        );
      fill(body, row("minute", delay.minute), row("10 min", delay.tenMinutes), row("hour", delay.hour));
      drawBars(bars, delay.buckets);
    },
  };
}

function drawBars(bars: SVGElement, buckets: LiveState["delay"]["buckets"]): void {
  const total = buckets.reduce((sum, { executions }) => sum + executions, 0);
  const last = buckets.findLastIndex(({ executions }) => executions > 0);
  const shown = buckets.slice(0, Math.max(8, last + 1));
  const most = Math.max(1, ...shown.map(({ executions }) => executions));
  bars.setAttribute("viewBox", `0 0 ${shown.length * barWidth} ${barsHeight + footHeight}`);
  const shares = shown
    .filter(({ executions }) => executions > 0)
    .map(
      ({ upToSeconds, executions }) =>
        `up to ${upToSeconds ?? "any number of"} s: ${formatShare(executions / total, 1)}`,
    );
  bars.setAttribute(
    "aria-label",
    `Distribution over ten minutes, ${formatCount(total)} executions. ${shares.join("; ")}`,
  );
  fill(
    bars,
    ...shown.flatMap(({ upToSeconds, executions }, index) => {
      const height = (barsHeight * executions) / most;
      const label = upToSeconds === null ? "more" : `${upToSeconds}s`;
      return [
        svg("rect", { x: index * barWidth + 3, y: barsHeight - height, width: barWidth - 6, height }),
        svg("text", { x: index * barWidth + barWidth / 2, y: barsHeight + 13, "text-anchor": "middle" }, label),
      ];
    }),
  );
}
