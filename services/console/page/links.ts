import { h } from "./dom.ts";
import { formatMoment } from "./format.ts";
import { addressOf } from "./router.ts";

export function queryLink(queryId: string): HTMLElement {
  return h("a", { class: "id", href: addressOf("/query", { id: queryId }) }, queryId);
}

/** `query` and `at` lead to it in the table when nobody remembers it any more. */
export function executionLink(executionId: string, query?: string, at?: number): HTMLElement {
  return h("a", { class: "id", href: addressOf("/why", { execution: executionId, query, at }) }, executionId);
}

export function windowLink(at: number): HTMLElement {
  return h("a", { class: "nowrap", href: addressOf("/why", { window: at }) }, formatMoment(at));
}
