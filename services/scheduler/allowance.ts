/**
 * How a process's time is divided among its servers: each is sure of its even part, and takes what the others leave. Times
 * in ms by a monotonic clock.
 */

/** Of the time that passes; the rest is for what is not counted (requests, tables, the system). */
const plannedShare = 0.6;
/** Over which spent time is averaged. */
const memoryMs = 2_000;
/** A server that takes this share of a process that has no time left, and two even parts, is put aside. */
const greedyShare = 0.25;

interface Spent {
  ms: number;
  at: number;
}

export class Allowance {
  readonly #monotonic: () => number;
  readonly #spent = new Map<string, Spent>();
  readonly #all: Spent;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#all = { ms: 0, at: monotonic() };
  }

  add(server: string): void {
    this.#spent.set(server, { ms: 0, at: this.#monotonic() });
  }

  remove(server: string): void {
    this.#spent.delete(server);
  }

  /** Notes that the thread worked `ms` for `server`. */
  spend(server: string, ms: number): void {
    const entry = this.#spent.get(server);
    if (!entry) return;
    const at = this.#monotonic();
    for (const each of [entry, this.#all]) Object.assign(each, { ms: faded(each, at) + ms, at });
  }

  /** Share of the last seconds that went to `server`. */
  shareOf(server: string): number {
    const entry = this.#spent.get(server);
    return entry ? faded(entry, this.#monotonic()) / memoryMs : 0;
  }

  /** How long planning one tick of so many ms may take: what nobody uses, and at least the even part; alone, any time. */
  budgetMs(tickMs: number): number {
    const servers = this.#spent.size;
    if (servers <= 1) return Number.POSITIVE_INFINITY;
    return tickMs * Math.max(plannedShare / servers, plannedShare - this.#load());
  }

  /** The server that keeps the others from their part: the one that takes most, where no time is left and it takes far too much. */
  greediest(): string | undefined {
    const servers = this.#spent.size;
    if (servers <= 1 || this.#load() < plannedShare) return undefined;
    const limit = Math.max(greedyShare, (2 * plannedShare) / servers);
    const [most] = [...this.#spent.keys()]
      .map((server) => ({ server, share: this.shareOf(server) }))
      .sort((a, b) => b.share - a.share);
    return most && most.share > limit ? most.server : undefined;
  }

  #load(): number {
    return faded(this.#all, this.#monotonic()) / memoryMs;
  }
}

function faded({ ms, at }: Spent, now: number): number {
  return ms * Math.exp((at - now) / memoryMs);
}
