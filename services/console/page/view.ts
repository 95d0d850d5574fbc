import type { LiveStore } from "./live-store.ts";
import type { Parameters } from "./router.ts";

/** One view of the page. */
export interface View {
  readonly title: string;
  readonly element: HTMLElement;
  /** The live data has changed, or a second has passed. */
  update?(): void;
  /** Frees what it holds; it is shown no more. */
  close?(): void;
}

export type CreateView = (live: LiveStore, parameters: Parameters) => View;
