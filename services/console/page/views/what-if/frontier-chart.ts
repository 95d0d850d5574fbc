import type { WhatIf } from "../../../contract/jobs.ts";
import { fill, svg } from "../../dom.ts";
import { formatSeconds, formatShare } from "../../format.ts";

const width = 760;
const height = 300;
const left = 52;
const right = 20;
const top = 34;
const bottom = 40;

interface Point {
  readonly budget: number;
  readonly delayP95: number;
  readonly inBand: number;
}

/** The planner's points in the order of their budgets. */
function curveOf({ points }: WhatIf): Point[] {
  return points
    .flatMap(({ policy, latencyP95Seconds, measures: { delayP95, inBand } }) =>
      policy === "planner" && latencyP95Seconds !== null && delayP95 !== null && inBand !== null
        ? [{ budget: latencyP95Seconds, delayP95, inBand }]
        : [],
    )
    .sort((a, b) => a.budget - b.budget);
}

/** Between two budgets that were tried: on the straight line between what they gave; outside: what the nearest gave. */
export function predict(
  whatIf: WhatIf,
  budget: number,
): { readonly delayP95: number | null; readonly inBand: number | null } {
  const curve = curveOf(whatIf);
  const after = curve.findIndex((point) => point.budget >= budget);
  const high = curve[after < 0 ? curve.length - 1 : after];
  const low = curve[after <= 0 ? (after < 0 ? curve.length - 1 : 0) : after - 1];
  if (!high || !low) return { delayP95: null, inBand: null };
  const part = high.budget === low.budget ? 0 : (budget - low.budget) / (high.budget - low.budget);
  return {
    delayP95: low.delayP95 + part * (high.delayP95 - low.delayP95),
    inBand: low.inBand + part * (high.inBand - low.inBand),
  };
}

interface Chosen {
  readonly budget: number;
  readonly delayP95: number | null;
  readonly inBand: number | null;
}

/** Share in band over delay p95: the curve, what neither policy gives, what was recorded, and the chosen budget. */
export function createFrontierChart() {
  const element = svg("svg", {
    class: "frontier",
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    "aria-label": "No data yet",
  });
  return {
    element,
    show(whatIf: WhatIf, chosen: Chosen): void {
      const curve = curveOf(whatIf);
      const delays = [whatIf.happened, ...whatIf.points.map(({ measures }) => measures)];
      const most = 1.08 * Math.max(1, ...delays.map(({ delayP95 }) => delayP95 ?? 0));
      const x = (seconds: number) => left + ((width - left - right) * seconds) / most;
      const y = (share: number) => height - bottom - (height - top - bottom) * share;
      const label = (at: { x: number; y: number }, text: string, anchor = "middle") =>
        svg("text", { x: at.x, y: at.y, "text-anchor": anchor }, text);
      /** Beside a mark, on the side that has room. */
      const beside = (at: { x: number; y: number }, away: number, text: string) =>
        at.x > width - right - 90
          ? label({ x: at.x - away, y: at.y }, text, "end")
          : label({ x: at.x + away, y: at.y }, text, "start");
      const grid = [0, 0.25, 0.5, 0.75, 1].flatMap((share) => [
        svg("line", { class: "grid-line", x1: left, x2: width - right, y1: y(share), y2: y(share) }),
        label({ x: left - 6, y: y(share) + 4 }, `${100 * share} %`, "end"),
      ]);
      const every = niceStep(most);
      const ticks = Array.from({ length: Math.floor(most / every) + 1 }, (_, index) =>
        label({ x: x(index * every), y: height - bottom + 16 }, `${Number((index * every).toFixed(2))} s`),
      );
      const marks = whatIf.points
        .filter(({ policy }) => policy !== "planner")
        .map(({ policy, measures: { delayP95, inBand } }) => {
          const at = { x: x(delayP95 ?? 0), y: y(inBand ?? 0) };
          const name = policy === "none" ? "not scheduled" : "first come";
          return svg(
            "g",
            {},
            svg("rect", { class: "other", x: at.x - 4, y: at.y - 4, width: 8, height: 8 }),
            beside({ x: at.x, y: at.y - 6 - (policy === "fifo" ? 12 : 0) }, 8, name),
          );
        });
      const { happened } = whatIf;
      const today = { x: x(happened.delayP95 ?? 0), y: y(happened.inBand ?? 0) };
      const now = { x: x(chosen.delayP95 ?? 0), y: y(chosen.inBand ?? 0) };
      const words = curve.map(({ budget, inBand }) => `${budget} s: ${formatShare(inBand)}`).join("; ");
      element.setAttribute("aria-label", `Share in band by latency budget. ${words}`);
      fill(
        element,
        ...grid,
        ...ticks,
        label({ x: (left + width - right) / 2, y: height - 6 }, "delay p95"),
        svg("path", {
          class: "curve",
          d: curve.length > 1 ? `M${curve.map((point) => `${x(point.delayP95)},${y(point.inBand)}`).join("L")}` : "",
        }),
        ...curve.map((point) => svg("circle", { class: "point", cx: x(point.delayP95), cy: y(point.inBand), r: 3.5 })),
        ...marks,
        svg("path", { class: "today", d: `M${today.x},${today.y - 8}l8,8l-8,8l-8,-8z` }),
        beside({ x: today.x, y: today.y + (today.y > height / 2 ? -22 : 20) }, 12, "as recorded"),
        svg("circle", { class: "chosen", cx: now.x, cy: now.y, r: 8 }),
        label({ x: now.x, y: now.y - 13 }, `budget ${formatSeconds(chosen.budget)}`),
      );
    },
  };
}

function niceStep(most: number): number {
  return [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100].find((step) => most / step <= 9) ?? 500;
}
