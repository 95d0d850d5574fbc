/** The means of a tick over about 15 s, to forecast the next ones, and over about two minutes, to set a level. */
const gain = 1 / 150;
const lastingGain = 1 / 1_200;

/** What the server does beside the executions that are steered: as measured less what those explain, slowly varying. */
export class Background {
  #mean = 0;
  #lasting = 0;
  #ticks = 0;

  /** @param measured CPU ms of a tick @param explained of them by executions */
  observe(measured: number, explained: number): void {
    const least = 1 / ++this.#ticks;
    this.#mean += (measured - explained - this.#mean) * Math.max(gain, least);
    this.#lasting += (measured - explained - this.#lasting) * Math.max(lastingGain, least);
  }

  /** CPU ms a tick; never negative. */
  get perTick(): number {
    return Math.max(0, this.#mean);
  }

  get lasting(): number {
    return Math.max(0, this.#lasting);
  }
}
