import { type Child, fill, h } from "./dom.ts";

/** What a view asked for may come late, fail, or be asked for anew before it came. */
export class Loader {
  readonly #target: Element;
  #running: AbortController | undefined;

  constructor(target: Element) {
    this.#target = target;
  }

  /** Shows what `ask` gives, or in its place why there is none. The answer to an older question is dropped. */
  async show<Answer>(
    ask: (signal: AbortSignal) => Promise<Answer>,
    render: (answer: Answer) => readonly Child[],
    { quiet = false } = {},
  ): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    this.#target.setAttribute("aria-busy", "true");
    const late = setTimeout(() => {
      if (!quiet) fill(this.#target, h("p", { class: "quiet", role: "status" }, "Reading…"));
    }, 300);
    try {
      const answer = await ask(running.signal);
      if (!running.signal.aborted) fill(this.#target, ...render(answer));
    } catch (error) {
      if (running.signal.aborted) return;
      const message = error instanceof Error ? error.message : String(error);
      const again = h("button", { type: "button", onClick: () => void this.show(ask, render) }, "Try again");
      fill(this.#target, h("p", { class: "notice", role: "alert" }, message, " ", again));
    } finally {
      clearTimeout(late);
      if (this.#running === running) this.#target.removeAttribute("aria-busy");
    }
  }

  close(): void {
    this.#running?.abort();
  }
}
