/** The page's frame: navigation, whether the data is fresh, what is away, and the view that the address names. */
import type { Part } from "../contract/live.ts";
import { setToken } from "./api.ts";
import { fill, h, setText } from "./dom.ts";
import { formatDuration, formatTime } from "./format.ts";
import { followLive, type LiveStore, staleMs } from "./live-store.ts";
import { startRouter } from "./router.ts";
import type { CreateView, View } from "./view.ts";
import { createHistoryView } from "./views/history.ts";
import { createLiveView } from "./views/live.ts";
import { createQueriesView } from "./views/queries.ts";
import { createQueryView } from "./views/query.ts";
import { createWhatIfView } from "./views/what-if.ts";
import { createWhyView } from "./views/why.ts";

interface Route {
  readonly title: string;
  /** Undefined: not in the navigation. */
  readonly link?: string;
  readonly create: CreateView;
}

const routes: Readonly<Record<string, Route>> = {
  "/": { title: "Live", link: "Live", create: createLiveView },
  "/queries": { title: "Queries", link: "Queries", create: createQueriesView },
  "/query": { title: "Query", create: createQueryView },
  "/why": { title: "Why", link: "Why", create: createWhyView },
  "/what-if": { title: "What if", link: "What if", create: createWhatIfView },
  "/history": { title: "History", link: "History", create: createHistoryView },
};

const partTitles: Readonly<Record<Part["name"], string>> = {
  database: "The database server",
  scheduler: "The scheduler",
  tables: "DynamoDB",
  queue: "The queue",
};

function required(selector: string): HTMLElement {
  const element = document.querySelector<HTMLElement>(selector);
  if (!element) throw new Error(`the page has no ${selector}`);
  return element;
}

const main = required("main");
const notices = required(".notices");
const connection = required(".connection");
const nav = required("nav");
let view: View | undefined;
let pageNotice: string | undefined;
let lastNotices = "";

function refresh(): void {
  showConnection(live);
  showNotices(live);
  view?.update?.();
}

function showConnection({ heardAt, problem, state }: LiveStore): void {
  const silentMs = heardAt === undefined ? undefined : performance.now() - heardAt;
  const stale = silentMs === undefined ? problem !== undefined : silentMs > staleMs || problem !== undefined;
  connection.classList.toggle("stale", stale);
  if (silentMs === undefined) setText(connection, problem ? "No connection" : "Connecting");
  else if (stale) setText(connection, `Stale: nothing heard for ${formatDuration(silentMs / 1_000)}`);
  else setText(connection, `Live: ${state?.serverId ?? "no server yet"}`);
}

function showNotices({ problem, state, locked }: LiveStore): void {
  const lines: string[] = [];
  if (pageNotice) lines.push(pageNotice);
  if (problem && !locked)
    lines.push(`The console's server does not answer (${problem}). What is shown is old; it comes back by itself.`);
  else {
    for (const { name, state: is, since, problem: why } of state?.parts ?? []) {
      if (is === "away") lines.push(`${partTitles[name]} is away since ${formatTime(since)}: ${why ?? "no answer"}`);
    }
    for (const line of [state?.capture?.trouble, state?.capture?.warning]) if (line) lines.push(`Capture: ${line}`);
    for (const line of state?.scheduler?.trouble ?? []) lines.push(`Scheduler: ${line}`);
  }
  const key = JSON.stringify([lines, locked]);
  if (key === lastNotices) return;
  lastNotices = key;
  fill(notices, locked && tokenForm(), ...lines.map((line) => h("p", { class: "notice" }, line)));
}

/** Asks for the server's token, which it wants beyond loopback. */
function tokenForm(): HTMLElement {
  const input = h("input", { type: "password", autocomplete: "off", required: true });
  const submit = (event: Event): void => {
    event.preventDefault();
    setToken(input.value);
    location.reload();
  };
  return h(
    "form",
    { class: "notice row", onSubmit: submit },
    h(
      "label",
      {},
      "This console asks for its token (EVENKEEL_TOKEN); where you have signed in, load the page anew",
      input,
    ),
    h("button", { class: "primary" }, "Use it"),
  );
}

function show(path: string, parameters: Parameters<CreateView>[1]): void {
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  view?.close?.();
  view = undefined;
  pageNotice = undefined;
  try {
    view = route?.create(live, parameters);
  } catch (error) {
    console.error(error);
  }
  document.title = `${view?.title ?? route?.title ?? "Not found"} – Evenkeel`;
  if (parameters.broken.length > 0)
    pageNotice = `Not understood in this address and left aside: ${parameters.broken.join(", ")}`;
  fill(main, view?.element ?? nothingHere());
  fill(
    nav,
    ...Object.entries(routes).map(
      ([to, { link }]) =>
        link !== undefined && h("a", { href: to, "aria-current": to === path ? "page" : undefined }, link),
    ),
  );
  refresh();
}

function nothingHere(): HTMLElement {
  return h("div", {}, h("h1", {}, "Nothing here"), h("p", {}, h("a", { href: "/" }, "To the live view")));
}

const live = followLive(refresh);
startRouter((path, parameters) => {
  const moved = view !== undefined;
  show(path, parameters);
  if (!moved) return;
  scrollTo(0, 0);
  main.focus({ preventScroll: true });
});
// Age and staleness grow without news, too.
setInterval(refresh, 1_000);
