/** The recorded windows of a time, from the table. */
import type { HistoryAnswer, HistoryBucket } from "../../contract/history.ts";
import { request } from "../api.ts";
import { type BandChart, createBandChart, resources, unitOf } from "../band-chart.ts";
import { fill, h, setText } from "../dom.ts";
import { formatCount, formatDuration, formatShare } from "../format.ts";
import type { LiveStore } from "../live-store.ts";
import { Loader } from "../load.ts";
import { createRangeForm, type Range } from "../range-form.ts";
import { addressOf, type Parameters } from "../router.ts";
import type { View } from "../view.ts";

const hourMs = 3_600_000;
const chartHeight = 150;
const defaultWidth = 0.1;

export function createHistoryView(live: LiveStore, parameters: Parameters): View {
  const charts = new Map(
    resources.map((resource): [(typeof resources)[number], BandChart] => [
      resource,
      createBandChart(resource, chartHeight),
    ]),
  );
  const summary = h("p", { role: "status" });
  const problem = h("div");
  const exports = h("p");
  const panel = h(
    "section",
    { class: "card wide" },
    h("h2", {}, "Recorded load"),
    summary,
    ...[...charts.values()].map(({ element }) => element),
    exports,
  );
  const loader = new Loader(problem);

  function ask(range: Range): void {
    const link = (format: string, title: string) =>
      h("a", { class: "button", href: addressOf("/api/history/windows", { ...range, format }), download: true }, title);
    fill(exports, "Each window of this time: ", link("csv", "CSV"), " ", link("json", "JSON"));
    const address = addressOf("/api/history", { from: range.from, to: range.to });
    void loader.show(
      (signal) => request<HistoryAnswer>(address, { signal }),
      (answer) => {
        show(answer);
        return [];
      },
    );
  }

  function show({ from, to, stepMs, windows, inBand, buckets }: HistoryAnswer): void {
    const width = live.state?.scheduler?.knobs.bandWidth ?? defaultWidth;
    const spread = live.state?.spread ?? false;
    const executions = buckets.reduce((sum, { ran }) => sum + ran, 0);
    const each =
      stepMs > 1_000
        ? ` A point is ${formatDuration(stepMs / 1_000)}: mean, smallest and largest tick of its windows.`
        : "";
    setText(
      summary,
      windows === 0
        ? "Nothing is recorded in this time."
        : `${formatShare(inBand, 1)} of ${formatCount(windows)} windows in band (±${Math.round(width * 100)} %), ${formatCount(executions)} executions.${each}`,
    );
    for (const [resource, chart] of charts) {
      chart.show(
        buckets.map((bucket) => point(bucket, resource, spread)),
        { from, to, width, stepMs, unit: unitOf(resource, spread) },
      );
    }
  }

  const range = createRangeForm(parameters, { defaultMs: hourMs, mostMs: 24 * hourMs }, ask);
  range.submit();
  return {
    title: "History",
    element: h("div", {}, h("h1", {}, "History"), range.element, problem, panel),
    close() {
      loader.close();
      for (const chart of charts.values()) chart.close();
    },
  };
}

/** Where executions last, what each second was judged by is not told of stretches: no band is drawn. */
function point(bucket: HistoryBucket, resource: (typeof resources)[number], spread: boolean) {
  const out = spread && resource !== "cpu" ? 0 : 1 - bucket.inBand / bucket.windows;
  return { at: bucket.at, steered: null, out, level: spread ? null : bucket[resource].average, ...bucket[resource] };
}
