/** The whole numbers from `first` to `last`, both included. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** A set of whole numbers, kept as disjoint ranges that do not touch: what adjoins is merged. */
export class RangeSet {
  #ranges: Range[] = [];
  #size = 0;

  constructor(ranges: Iterable<Range> = []) {
    for (const range of ranges) this.add(range);
  }

  /** In ascending order. */
  get ranges(): readonly Range[] {
    return this.#ranges;
  }

  /** How many numbers are in the set. */
  get size(): number {
    return this.#size;
  }

  add({ first, last }: Range): void {
    if (last < first) return;
    const from = this.#search(first - 1);
    let to = from;
    let low = first;
    let high = last;
    for (let range = this.#ranges[to]; range && range.first <= last + 1; range = this.#ranges[++to]) {
      low = Math.min(low, range.first);
      high = Math.max(high, range.last);
      this.#size -= length(range);
    }
    this.#ranges.splice(from, to - from, { first: low, last: high });
    this.#size += high - low + 1;
  }

  remove({ first, last }: Range): void {
    const from = this.#search(first);
    const rest: Range[] = [];
    let to = from;
    for (let range = this.#ranges[to]; range && range.first <= last; range = this.#ranges[++to]) {
      this.#size -= length(range);
      if (range.first < first) rest.push({ first: range.first, last: first - 1 });
      if (range.last > last) rest.push({ first: last + 1, last: range.last });
    }
    this.#ranges.splice(from, to - from, ...rest);
    for (const range of rest) this.#size += length(range);
  }

  has(number: number): boolean {
    const range = this.#ranges[this.#search(number)];
    return range !== undefined && range.first <= number;
  }

  /** The parts of `first..last` that are in the set. */
  within({ first, last }: Range): Range[] {
    const parts: Range[] = [];
    for (let index = this.#search(first); ; index++) {
      const range = this.#ranges[index];
      if (!range || range.first > last) return parts;
      parts.push({ first: Math.max(first, range.first), last: Math.min(last, range.last) });
    }
  }

  /** The parts of `first..last` that are not in the set. */
  missing({ first, last }: Range): Range[] {
    const parts: Range[] = [];
    let next = first;
    for (const range of this.within({ first, last })) {
      if (range.first > next) parts.push({ first: next, last: range.first - 1 });
      next = range.last + 1;
    }
    if (next <= last) parts.push({ first: next, last });
    return parts;
  }

  /** Index of the first range that ends at `number` or later. */
  #search(number: number): number {
    let low = 0;
    let high = this.#ranges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const range = this.#ranges[middle];
      if (range && range.last < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function length({ first, last }: Range): number {
  return last - first + 1;
}
