export interface Range {
  readonly first: number;
  readonly last: number;
}

/** The runs of consecutive numbers in `numbers` (any order, repeats allowed), none longer than `longest`. */
export function contiguousRanges(numbers: Iterable<number>, longest: number): Range[] {
  const ranges: { first: number; last: number }[] = [];
  for (const number of [...new Set(numbers)].sort((a, b) => a - b)) {
    const open = ranges.at(-1);
    if (open && number === open.last + 1 && number - open.first < longest) open.last = number;
    else ranges.push({ first: number, last: number });
  }
  return ranges;
}
