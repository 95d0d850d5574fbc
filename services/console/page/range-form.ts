import { h, setText } from "./dom.ts";
import { type Parameters, replaceParameters } from "./router.ts";

export interface Range {
  readonly from: number;
  readonly to: number;
}

const presets = [
  ["15 min", 900_000],
  ["1 h", 3_600_000],
  ["6 h", 21_600_000],
  ["24 h", 86_400_000],
] as const;
const farFuture = 9_999_999_999_999;

/**
 * A time range, kept in the address as `from` and `to` in Unix ms. Without them it is the last `defaultMs`, which moves on.
 * @param chosen is called with each range that is asked for
 */
export function createRangeForm(
  parameters: Parameters,
  { defaultMs, mostMs }: { readonly defaultMs: number; readonly mostMs: number },
  chosen: (range: Range) => void,
) {
  const now = Date.now();
  const to = parameters.number("to", now, 0, farFuture);
  const from = parameters.number("from", to - defaultMs, 0, farFuture);
  const fromInput = h("input", { type: "datetime-local", step: 1, required: true, value: localTime(from) });
  const toInput = h("input", { type: "datetime-local", step: 1, required: true, value: localTime(to) });
  const message = h("p", { class: "bad", role: "alert" });
  let exact: Range | undefined = { from, to };

  function submit(): void {
    const range = exact ?? { from: new Date(fromInput.value).getTime(), to: new Date(toInput.value).getTime() };
    const wrong = problemOf(range);
    setText(message, wrong);
    if (wrong === "") chosen(range);
  }
  function problemOf(range: Range): string {
    if (Number.isNaN(range.from) || Number.isNaN(range.to)) return "Both times are needed.";
    if (range.from >= range.to) return "The beginning must lie before the end.";
    return range.to - range.from > mostMs ? `At most ${mostMs / 3_600_000} hours can be read at once.` : "";
  }
  const preset = (ms: number) => () => {
    const end = Date.now();
    exact = { from: end - ms, to: end };
    fromInput.value = localTime(exact.from);
    toInput.value = localTime(exact.to);
    replaceParameters({ ...exact });
    submit();
  };
  for (const input of [fromInput, toInput])
    input.addEventListener("change", () => {
      exact = undefined;
    });
  const element = h(
    "form",
    {
      class: "row",
      onSubmit: (event) => {
        event.preventDefault();
        if (!exact)
          replaceParameters({ from: new Date(fromInput.value).getTime(), to: new Date(toInput.value).getTime() });
        submit();
      },
    },
    h("label", {}, "From", fromInput),
    h("label", {}, "To", toInput),
    h("button", { class: "primary" }, "Show"),
    ...presets
      .filter(([, ms]) => ms <= mostMs)
      .map(([title, ms]) => h("button", { type: "button", onClick: preset(ms) }, `Last ${title}`)),
    h("p", { class: "quiet" }, `At most ${mostMs / 3_600_000} hours at once.`),
    message,
  );
  return { element, submit };
}

/** As the input wants it: this browser's time zone, seconds. */
function localTime(ms: number): string {
  const offset = new Date(ms).getTimezoneOffset() * 60_000;
  return new Date(ms - offset).toISOString().slice(0, 19);
}
