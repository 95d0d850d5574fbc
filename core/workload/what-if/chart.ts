/** The frontier as a picture (SVG): share in band over the delay's 95th percentile. */
import type { FrontierPoint } from "./frontier.ts";

/** A point beside the curves: what is, or was, reached. */
export interface MarkedPoint {
  readonly label: string;
  readonly delayP95: number;
  readonly inBand: number;
}

const [width, height] = [760, 460];
const plot = { left: 64, top: 48, right: 736, bottom: 396 };
const colours = ["#1f6feb", "#bc4c00", "#8250df", "#1a7f37", "#bf3989", "#6e7781"];

/** @param title one line above the picture */
export function frontierSvg(title: string, points: readonly FrontierPoint[], marked: readonly MarkedPoint[]): string {
  const curves = Array.from(Map.groupBy(points, nameOf), ([name, group]) => ({
    name,
    at: group
      .flatMap(({ measures: { delayP95, inBand } }) =>
        delayP95 === null || inBand === null ? [] : [{ delayP95, inBand }],
      )
      .sort((a, b) => a.delayP95 - b.delayP95),
  }));
  const longest = Math.max(...[...curves.flatMap(({ at }) => at), ...marked].map(({ delayP95 }) => delayP95), 0.1);
  const ticks = ticksUpTo(longest);
  const end = ticks.at(-1) ?? longest;
  const x = (seconds: number) => plot.left + (seconds / end) * (plot.right - plot.left);
  const y = (share: number) => plot.bottom - share * (plot.bottom - plot.top);
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escapeXml(title)}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(plot.left, 26, title, 'font-size="15" font-weight="600"'),
  ];
  for (const share of [0, 0.2, 0.4, 0.6, 0.8, 1]) {
    parts.push(line(plot.left, y(share), plot.right, y(share), "#d0d7de"));
    parts.push(text(plot.left - 8, y(share) + 4, `${Math.round(share * 100)}%`, 'text-anchor="end"'));
  }
  for (const seconds of ticks) {
    parts.push(line(x(seconds), plot.bottom, x(seconds), plot.bottom + 5, "#57606a"));
    parts.push(text(x(seconds), plot.bottom + 20, String(seconds), 'text-anchor="middle"'));
  }
  parts.push(text((plot.left + plot.right) / 2, plot.bottom + 42, "delay p95, seconds", 'text-anchor="middle"'));
  parts.push(text(plot.left, plot.top - 8, "windows in band"));
  for (const [index, { name, at }] of curves.entries()) {
    const colour = colours[index % colours.length] ?? "";
    const path = at.map(({ delayP95, inBand }) => `${round(x(delayP95))},${round(y(inBand))}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    for (const { delayP95, inBand } of at) {
      const told = `<title>${escapeXml(`${name}: ${percent(inBand)} at ${delayP95.toFixed(2)} s`)}</title>`;
      parts.push(`<circle cx="${round(x(delayP95))}" cy="${round(y(inBand))}" r="4" fill="${colour}">${told}</circle>`);
    }
    parts.push(
      `<rect x="${plot.right - 190}" y="${plot.bottom - 22 - 18 * index}" width="10" height="10" fill="${colour}"/>`,
    );
    parts.push(text(plot.right - 174, plot.bottom - 13 - 18 * index, name));
  }
  for (const { label, delayP95, inBand } of marked) {
    const [cx, cy] = [round(x(delayP95)), round(y(inBand))];
    parts.push(`<path d="M${cx} ${cy - 8} l8 8 l-8 8 l-8 -8 z" fill="none" stroke="#cf222e" stroke-width="2.5"/>`);
    const nearRight = delayP95 > 0.7 * end;
    const anchor = nearRight ? 'text-anchor="end" fill="#cf222e"' : 'fill="#cf222e"';
    parts.push(
      text(cx + (nearRight ? -13 : 13), cy + 20, `${label}: ${percent(inBand)}, ${delayP95.toFixed(1)} s`, anchor),
    );
  }
  return `${parts.join("\n")}\n</svg>\n`;
}

/** Which curve a point belongs to. */
export function nameOf({ policy, api, burst }: Pick<FrontierPoint, "policy" | "api" | "burst">): string {
  if (policy !== "planner") return policy;
  return burst === null ? `planner, ${api}` : `planner, ${api}, burst ${burst}`;
}

function ticksUpTo(longest: number): number[] {
  const rough = longest / 6;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  return Array.from({ length: Math.ceil(longest / step) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
}

function line(x1: number, y1: number, x2: number, y2: number, stroke: string): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${stroke}"/>`;
}

function text(x: number, y: number, content: string, attributes = ""): string {
  return `<text x="${round(x)}" y="${round(y)}" ${attributes}>${escapeXml(content)}</text>`;
}

function escapeXml(content: string): string {
  return content.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)}%`;
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
