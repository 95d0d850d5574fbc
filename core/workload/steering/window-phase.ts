/**
 * Where metrics windows begin, learned from the windows that the server closes. Before the first one, windows are
 * taken to be aligned with tick 0, as a server that starts its windows with its epoch has them.
 */
export class WindowPhase {
  readonly windowTicks: number;
  #start = 0;

  constructor(windowTicks: number) {
    this.windowTicks = windowTicks;
  }

  closed(lastTick: number): void {
    this.#start = lastTick + 1;
  }

  /** How many ticks of its window lie before `tick`: 0 for a window's first tick. */
  positionOf(tick: number): number {
    const offset = (tick - this.#start) % this.windowTicks;
    return offset < 0 ? offset + this.windowTicks : offset;
  }
}
