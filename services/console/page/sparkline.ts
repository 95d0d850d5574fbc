import { svg } from "./dom.ts";

/** A line without axes; `label` tells it in words. */
export function sparkline(values: readonly number[], label: string): SVGElement {
  const most = Math.max(1, ...values);
  const step = 100 / Math.max(1, values.length - 1);
  const points = values.map((value, index) => `${(index * step).toFixed(1)},${(19 - (18 * value) / most).toFixed(1)}`);
  return svg(
    "svg",
    { class: "spark", viewBox: "0 0 100 20", preserveAspectRatio: "none", role: "img", "aria-label": label },
    svg("path", { d: points.length > 1 ? `M${points.join("L")}` : "" }),
  );
}
