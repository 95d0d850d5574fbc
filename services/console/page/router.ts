/** All state of a view is in its address: a link reproduces it. */

/** The address's parameters, read with a default for what is missing or broken. */
export class Parameters {
  readonly #parameters: URLSearchParams;
  /** What could not be understood, for a notice. */
  readonly broken: string[] = [];

  constructor(search: string) {
    this.#parameters = new URLSearchParams(search);
  }

  text(name: string, otherwise = "", longest = 200): string {
    const value = this.#parameters.get(name) ?? otherwise;
    return value.length > longest ? this.#refuse(name, value, otherwise) : value;
  }

  number(name: string, otherwise: number, least: number, most: number): number {
    const text = this.#parameters.get(name);
    if (text === null) return otherwise;
    const value = Number(text);
    return text.trim() !== "" && value >= least && value <= most ? value : this.#refuse(name, text, otherwise);
  }

  one<Value extends string>(name: string, among: readonly Value[], otherwise: Value): Value {
    const text = this.#parameters.get(name);
    if (text === null) return otherwise;
    return among.find((value) => value === text) ?? this.#refuse(name, text, otherwise);
  }

  #refuse<Value>(name: string, text: string, otherwise: Value): Value {
    this.broken.push(`${name}=${text.slice(0, 40)}`);
    return otherwise;
  }
}

/** An address of a view; parameters that are undefined or empty are left out. */
export function addressOf(path: string, parameters: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  return given.length === 0 ? path : `${path}?${search}`;
}

/** Changes parameters of the address that is shown, without a new entry in the browser's history. */
export function replaceParameters(change: Readonly<Record<string, string | number | undefined>>): void {
  const search = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    if (value === undefined || value === "") search.delete(name);
    else search.set(name, String(value));
  }
  const text = search.toString();
  history.replaceState(null, "", text === "" ? location.pathname : `${location.pathname}?${text}`);
}

/** Calls `show` now, and whenever the address changes by a link within the page or by the browser's buttons. */
export function startRouter(show: (path: string, parameters: Parameters) => void): void {
  const now = (): void => show(location.pathname, new Parameters(location.search));
  addEventListener("popstate", now);
  document.addEventListener("click", (event) => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    const other = event.ctrlKey || event.metaKey || event.shiftKey || event.button !== 0;
    if (!link || other || link.origin !== location.origin || link.hasAttribute("download")) return;
    if (link.pathname.startsWith("/api/") || link.pathname === "/metrics" || link.hash !== "") return;
    event.preventDefault();
    history.pushState(null, "", link.href);
    now();
  });
  now();
}
