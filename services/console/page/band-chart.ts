/** The chart that makes the point: average, minimum to maximum, the band, and the windows that leave it. */
import type { WindowPoint } from "../contract/live.ts";
import { h, setText } from "./dom.ts";
import { formatShare } from "./format.ts";
import uPlot from "./uplot.js";

export const resources = ["cpu", "io", "memory"] as const;
export type Resource = (typeof resources)[number];
export const resourceTitles: Readonly<Record<Resource, string>> = { cpu: "CPU", io: "IO", memory: "Memory" };

const spreadUnits: Readonly<Record<Resource, string>> = { cpu: "% of a core", io: "KiB a tick", memory: "MiB" };
/** The unit of a resource's usage. `spread`: executions last longer than a tick. */
export function unitOf(resource: Resource, spread: boolean): string {
  return spread ? spreadUnits[resource] : "%";
}

/** One window, or a stretch of several, of one resource, in its unit. `steered` false: the scheduler was off. */
export interface BandPoint {
  readonly at: number;
  readonly average: number;
  readonly min: number;
  readonly max: number;
  readonly steered: boolean | null;
  /** Share of it that is out of band, 0 to 1. */
  readonly out: number;
  /** What the band lies around; null: no band is kept. */
  readonly level: number | null;
}

/** A window leaves the band when one of its ticks does; where executions last, when its CPU does on the whole. */
export function bandPoint(window: WindowPoint, resource: Resource, width: number): BandPoint {
  const { at, steered, [resource]: band } = window;
  if (window.level !== null) {
    const judged = resource === "cpu";
    return { at, steered, ...band, out: Number(judged && !window.inBand), level: judged ? window.level : null };
  }
  const { average, min, max } = band;
  const out = min < (1 - width) * average || max > (1 + width) * average;
  return { at, steered, average, min, max, out: Number(out), level: average };
}

export interface BandChart {
  readonly element: HTMLElement;
  /** Shows `points`, one each `stepMs`, between two Unix times in ms, with a band of +-`width`. */
  show(points: readonly BandPoint[], shown: Omit<Shown, "points">): void;
  close(): void;
}

interface Shown {
  readonly points: readonly BandPoint[];
  readonly from: number;
  readonly to: number;
  readonly width: number;
  readonly stepMs: number;
  readonly unit: string;
}

/** A gap between points wider than so many steps is shown as one. */
const gapSteps = 3.5;
const markHeight = 5;

export function createBandChart(resource: Resource, height: number): BandChart {
  const title = resourceTitles[resource];
  const figure = h("span", { class: "chart-figure" });
  const plot = h("div", { class: "plot", role: "img", "aria-label": `${title}: no data yet` });
  const element = h("section", { class: `chart ${resource}` }, h("h3", {}, title, " ", figure), plot);
  let shown: Shown | undefined;
  let chart: uPlot | undefined;

  const build = (): void => {
    chart?.destroy();
    chart = new uPlot(
      optionsOf(plot, resource, height, () => shown),
      columnsOf(nothing),
      plot,
    );
    if (shown) draw();
  };
  const draw = (): void => {
    if (shown) chart?.setData(columnsOf(shown));
  };
  const resize = new ResizeObserver(() => chart?.setSize({ width: plot.clientWidth, height }));
  const dark = matchMedia("(prefers-color-scheme: dark)");
  resize.observe(plot);
  dark.addEventListener("change", build);
  build();

  return {
    element,
    show(points, given) {
      const { stepMs, unit } = given;
      shown = { points, ...given };
      draw();
      const last = points.at(-1);
      const out = points.reduce((sum, point) => sum + point.out, 0) / points.length;
      const range = last ? `${Math.round(last.average)} ${unit} (${last.min} to ${last.max})` : "";
      const inBand =
        stepMs > 1_000 || last?.level === null ? "" : `; ${formatShare(1 - out)} of ${points.length} windows in band`;
      const text = last ? `${range}${inBand}` : "no data yet";
      setText(figure, text);
      plot.setAttribute("aria-label", `${title}: ${text}`);
    },
    close() {
      resize.disconnect();
      dark.removeEventListener("change", build);
      chart?.destroy();
    },
  };
}

type Column = (number | null)[];

const nothing: Shown = { points: [], from: 0, to: 1_000, width: 0, stepMs: 1_000, unit: "%" };

function columnsOf({ points, width, stepMs }: Shown): uPlot.AlignedData {
  const x: number[] = [];
  const columns: Column[] = [[], [], [], [], []];
  const push = (at: number, values: readonly (number | null)[]): void => {
    x.push(at);
    for (const [index, value] of values.entries()) columns[index]?.push(value);
  };
  for (const { at, average, min, max, level } of points) {
    const seconds = at / 1_000;
    const before = x.at(-1);
    if (before !== undefined && seconds - before > (gapSteps * stepMs) / 1_000)
      push((seconds + before) / 2, [null, null, null, null, null]);
    push(seconds, [level && level * (1 + width), level && level * (1 - width), max, min, average]);
  }
  return [x, ...columns];
}

function optionsOf(
  plot: HTMLElement,
  resource: Resource,
  height: number,
  shown: () => Shown | undefined,
): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const line = colour(`--${resource}`);
  const axis = { stroke: colour("--quiet"), grid: { stroke: colour("--grid"), width: 1 }, ticks: { show: false } };
  const none = { points: { show: false }, width: 0 };
  return {
    width: Math.max(200, plot.clientWidth),
    height,
    legend: { show: false },
    cursor: { show: true, x: true, y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: true, range: () => [(shown()?.from ?? 0) / 1_000, (shown()?.to ?? 1_000) / 1_000] },
      y: { range: () => [0, topOf(shown()?.points ?? [])] },
    },
    padding: [6, 22, 0, 0],
    axes: [
      { ...axis, size: 26, font: "11px system-ui", values: (_, splits) => splits.map(clockTime) },
      {
        ...axis,
        size: 54,
        font: "11px system-ui",
        values: (_, splits) => splits.map((value) => `${value}${shown()?.unit === "%" ? " %" : ""}`),
      },
    ],
    series: [
      {},
      { ...none },
      { ...none },
      { ...none },
      { ...none },
      { points: { show: false }, stroke: line, width: 1.75 },
    ],
    bands: [
      { series: [3, 4], fill: colour(`--${resource}-area`) },
      { series: [1, 2], fill: colour("--band") },
    ],
    hooks: {
      drawClear: [(chart: uPlot) => shadeUnsteered(chart, shown()?.points ?? [], colour("--off"), colour("--quiet"))],
      draw: [(chart: uPlot) => markOut(chart, shown(), colour("--out"))],
    },
  };
}

function topOf(points: readonly BandPoint[]): number {
  return 1.08 * points.reduce((most, { max }) => Math.max(most, max), 10);
}

function clockTime(seconds: number): string {
  const at = new Date(seconds * 1_000);
  return at.toLocaleTimeString("en-GB", at.getSeconds() === 0 ? { hour: "2-digit", minute: "2-digit" } : {});
}

/** A strip at the foot for each window that leaves the band: seen without telling colours apart. */
function markOut(chart: uPlot, shown: Shown | undefined, colour: string): void {
  if (!shown) return;
  const { ctx, bbox } = chart;
  const size = markHeight * devicePixelRatio;
  ctx.save();
  ctx.fillStyle = colour;
  for (const point of shown.points) {
    if (point.out === 0) continue;
    const end = chart.valToPos(point.at / 1_000, "x", true);
    const start = chart.valToPos((point.at - shown.stepMs) / 1_000, "x", true);
    if (end < bbox.left) continue;
    const height = size * Math.max(0.3, point.out);
    ctx.fillRect(Math.max(start, bbox.left), bbox.top + bbox.height - height, Math.max(1, end - start - 1), height);
  }
  ctx.restore();
}

function shadeUnsteered(chart: uPlot, points: readonly BandPoint[], colour: string, ink: string): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.font = `${11 * devicePixelRatio}px system-ui`;
  ctx.textBaseline = "top";
  ctx.textAlign = "left";
  for (let first = 0; first < points.length; first++) {
    if (points[first]?.steered !== false) continue;
    let last = first;
    while (points[last + 1]?.steered === false) last++;
    const start = Math.max(bbox.left, chart.valToPos((points[first]?.at ?? 0) / 1_000 - 1, "x", true));
    const end = chart.valToPos((points[last]?.at ?? 0) / 1_000, "x", true);
    if (end > start) {
      ctx.fillStyle = colour;
      ctx.fillRect(start, bbox.top, end - start, bbox.height);
      ctx.fillStyle = ink;
      const label = "not scheduled";
      if (ctx.measureText(label).width + 12 < end - start) ctx.fillText(label, start + 6, bbox.top + 4);
    }
    first = last;
  }
  ctx.restore();
}
