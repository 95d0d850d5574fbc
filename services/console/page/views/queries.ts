/** All queries: what each costs, how sure that is, how much of the load it causes, what delay it bears. */
import type { QueriesAnswer, QueryRow, QuerySort } from "../../contract/queries.ts";
import { request } from "../api.ts";
import { type Child, fill, h, setText } from "../dom.ts";
import { formatAge, formatCount, formatSeconds, formatShare } from "../format.ts";
import { queryLink } from "../links.ts";
import type { LiveStore } from "../live-store.ts";
import { Loader } from "../load.ts";
import { addressOf, type Parameters, replaceParameters } from "../router.ts";
import { sparkline } from "../sparkline.ts";
import type { View } from "../view.ts";

const pageSize = 50;
const refreshMs = 5_000;
const filterPauseMs = 250;

const costNote = "of an execution, ± one standard deviation";
const columns: readonly { readonly sort: QuerySort; readonly title: string; readonly note: string }[] = [
  { sort: "id", title: "Query", note: "" },
  { sort: "cpu", title: "CPU", note: costNote },
  { sort: "io", title: "IO", note: costNote },
  { sort: "memory", title: "Memory", note: costNote },
  { sort: "uncertainty", title: "Unsure", note: "largest standard deviation; where executions last, that of CPU" },
  { sort: "traffic", title: "Per minute", note: "executions over the last ten minutes" },
  { sort: "load", title: "Load", note: "its part of the load of the last ten minutes" },
  { sort: "delay", title: "Delay", note: "mean over the last ten minutes" },
  { sort: "lastSeen", title: "Last seen", note: "" },
];
const sorts = columns.map(({ sort }) => sort);
const orders = ["asc", "desc"] as const;

export function createQueriesView(_live: LiveStore, parameters: Parameters): View {
  let sort = parameters.one("sort", sorts, "load");
  let order = parameters.one("order", orders, sort === "id" ? "asc" : "desc");
  let offset = parameters.number("offset", 0, 0, 1_000_000);
  const filter = h("input", {
    type: "search",
    value: parameters.text("filter"),
    maxlength: 200,
    placeholder: "part of an id",
  });
  const found = h("span", { class: "quiet", role: "status" });
  const heads = new Map<QuerySort, HTMLElement>();
  const body = h("tbody");
  const problem = h("div");
  const pages = h("div", { class: "toolbar" });
  const loader = new Loader(problem);
  let askedAt = 0;
  let pause: ReturnType<typeof setTimeout> | undefined;

  function ask(): void {
    askedAt = performance.now();
    replaceParameters({
      sort: sort === "load" ? undefined : sort,
      order: order === (sort === "id" ? "asc" : "desc") ? undefined : order,
      filter: filter.value,
      offset: offset || undefined,
    });
    for (const [name, head] of heads) {
      if (name === sort) head.setAttribute("aria-sort", order === "asc" ? "ascending" : "descending");
      else head.removeAttribute("aria-sort");
    }
    const address = addressOf("/api/queries", { sort, order, filter: filter.value, offset, limit: pageSize });
    void loader.show((signal) => request<QueriesAnswer>(address, { signal }), show, { quiet: true });
  }

  function show({ matching, total, queries }: QueriesAnswer): Child[] {
    const now = Date.now();
    fill(body, ...queries.map((query) => row(query, now)));
    setText(found, total === 0 ? "none known yet" : `${formatCount(matching)} of ${formatCount(total)}`);
    const last = Math.min(matching, offset + pageSize);
    const move = (by: number) => () => {
      offset = Math.max(0, offset + by);
      ask();
    };
    fill(
      pages,
      matching > pageSize &&
        h("button", { type: "button", disabled: offset === 0, onClick: move(-pageSize) }, "Before"),
      matching > pageSize && `${formatCount(Math.min(offset + 1, matching))} to ${formatCount(last)}`,
      matching > pageSize &&
        h("button", { type: "button", disabled: last >= matching, onClick: move(pageSize) }, "After"),
    );
    return [];
  }

  const setSort = (name: QuerySort): void => {
    if (sort === name) order = order === "asc" ? "desc" : "asc";
    else order = name === "id" ? "asc" : "desc";
    sort = name;
    offset = 0;
    ask();
  };
  const headings = columns.map(({ sort: name, title, note }) => {
    const button = h("button", { type: "button", title: note || undefined, onClick: () => setSort(name) }, title);
    const head = h("th", { scope: "col", class: name === "id" || name === "lastSeen" ? "" : "number" }, button);
    heads.set(name, head);
    return head;
  });
  filter.addEventListener("input", () => {
    clearTimeout(pause);
    offset = 0;
    pause = setTimeout(ask, filterPauseMs);
  });
  ask();
  return {
    title: "Queries",
    element: h(
      "section",
      { class: "card wide" },
      h("h1", {}, "Queries"),
      h(
        "form",
        { class: "row", role: "search", onSubmit: (event) => event.preventDefault() },
        h("label", {}, "Filter", filter),
        found,
      ),
      problem,
      h(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table of queries" },
        h("table", {}, h("thead", {}, h("tr", {}, ...headings, h("th", { scope: "col" }, "Ten minutes"))), body),
      ),
      pages,
    ),
    update() {
      if (performance.now() - askedAt > refreshMs && document.visibilityState === "visible") ask();
    },
    close() {
      clearTimeout(pause);
      loader.close();
    },
  };
}

/** The unit of what one execution costs: percent of a tick, or, where executions last (`spread`), CPU ms, KiB, MiB. */
export function costUnit(resource: number, spread: boolean): string {
  return spread ? (["ms", "KiB", "MiB"][resource] ?? "") : "%";
}

export function formatCost({ mean, sd, durationMs }: QueryRow, resource: 0 | 1 | 2): string {
  if (!mean) return "–";
  return `${mean[resource].toFixed(1)} ±${(sd?.[resource] ?? 0).toFixed(1)}\u00a0${costUnit(resource, durationMs !== null)}`;
}

function row(query: QueryRow, now: number): HTMLElement {
  const number = (text: string) => h("td", { class: "number" }, text);
  const perMinute = query.perMinute < 10 ? query.perMinute.toFixed(1) : formatCount(query.perMinute);
  return h(
    "tr",
    {},
    h("td", {}, queryLink(query.queryId)),
    number(formatCost(query, 0)),
    number(formatCost(query, 1)),
    number(formatCost(query, 2)),
    number(query.sd ? (query.durationMs === null ? Math.max(...query.sd) : query.sd[0]).toFixed(2) : "–"),
    number(perMinute),
    number(formatShare(query.loadShare, 1)),
    number(formatSeconds(query.meanDelaySeconds)),
    h("td", { class: "nowrap" }, formatAge(query.lastSeenAt, now)),
    h("td", {}, sparkline(query.perTenSeconds, `${perMinute} executions a minute`)),
  );
}
