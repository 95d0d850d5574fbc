/** How a query's estimate comes to the truth, in a simulation: on a real server nobody knows the truth. */
import type { Convergence } from "../../../contract/jobs.ts";
import { resources, resourceTitles } from "../../band-chart.ts";
import { type Child, fill, h, svg } from "../../dom.ts";
import { formatCount, formatDuration } from "../../format.ts";
import { awaitJob } from "../../job.ts";

const width = 360;
const height = 150;
const left = 34;
const bottom = 20;
const top = 8;

export function createConvergence(queryId: string) {
  let running = new AbortController();
  const progress = h("div");
  const answer = h("div", { class: "grid" });
  const start = h("button", { type: "button", onClick: () => void run() }, "Simulate five minutes of learning");

  async function run(): Promise<void> {
    running.abort();
    running = new AbortController();
    start.disabled = true;
    fill(answer);
    try {
      const result = await awaitJob<Convergence>(
        `/api/convergence/${encodeURIComponent(queryId)}`,
        progress,
        running.signal,
      );
      if (result) fill(answer, ...render(result));
    } catch (error) {
      fill(progress);
      const message = error instanceof Error ? error.message : String(error);
      if (!running.signal.aborted) fill(answer, h("p", { class: "notice card wide", role: "alert" }, message));
    }
    start.disabled = false;
  }
  return {
    element: h(
      "section",
      { class: "card wide" },
      h("h2", {}, "How such an estimate comes to the truth ", h("span", { class: "simulation" }, "simulation")),
      h(
        "p",
        { class: "quiet" },
        "What a query truly costs no server tells. A simulated database of the same kind is run for this, and its truth is shown beside what is learned of it.",
      ),
      h("p", {}, start),
      progress,
      answer,
    ),
    close: () => running.abort(),
  };
}

function render({ same, queryId, points, truth }: Convergence): Child[] {
  const which = same
    ? "The simulation has this very query."
    : `The simulation has no query of this id: shown is ${queryId}, whose cost is nearest to what is believed of it.`;
  const last = points.at(-1);
  const charts = resources.map((resource, index) => {
    const at = index === 0 ? 0 : index === 1 ? 1 : 2;
    const said = last ? `${last.mean[at].toFixed(1)} ±${last.sd[at].toFixed(1)}` : "–";
    return h(
      "div",
      { class: "card third" },
      h("h3", {}, `${resourceTitles[resource]}: truth ${truth[at]}, learned ${said}`),
      chart(points, truth[at], at, resource),
    );
  });
  const seen = last ? `${formatCount(last.seen)} executions in ${formatDuration(last.second)}` : "";
  return [h("p", { class: "card wide quiet" }, `${which} ${seen}`), ...charts];
}

function chart(points: Convergence["points"], truth: number, at: 0 | 1 | 2, resource: string): SVGElement {
  const most = Math.max(truth, ...points.map(({ mean, sd }) => mean[at] + sd[at])) * 1.05;
  const end = points.at(-1)?.second ?? 1;
  const x = (second: number) => left + ((width - left - 6) * second) / end;
  const y = (value: number) => height - bottom - ((height - bottom - top) * Math.max(0, value)) / most;
  const line = (read: (point: Convergence["points"][number]) => number, list = points) =>
    list.map((point) => `${x(point.second).toFixed(1)},${y(read(point)).toFixed(1)}`).join("L");
  const area = `M${line(({ mean, sd }) => mean[at] + sd[at])}L${line(({ mean, sd }) => mean[at] - sd[at], points.toReversed())}z`;
  return svg(
    "svg",
    {
      class: `convergence ${resource}`,
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-label": `Learned mean over ${formatDuration(end)}, truth ${truth}`,
    },
    svg("path", { class: "area", d: area }),
    svg("line", { class: "truth", x1: left, x2: width - 6, y1: y(truth), y2: y(truth) }),
    svg("path", { class: "learned", d: `M${line(({ mean }) => mean[at])}` }),
    svg("text", { x: left - 4, y: y(truth) + 4, "text-anchor": "end" }, truth),
    svg("text", { x: left - 4, y: height - bottom + 4, "text-anchor": "end" }, "0"),
    svg("text", { x: width - 6, y: height - 4, "text-anchor": "end" }, formatDuration(end)),
  );
}
