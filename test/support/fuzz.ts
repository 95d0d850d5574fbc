/** Bad input from good: samples with parts replaced, removed, added, nested or cut, the same for the same seed. */

/** Uniform in [0, 1), mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export type Random = () => number;
export const below = (random: Random, count: number): number => Math.floor(random() * count);

export function pick<Value>(random: Random, values: readonly Value[]): Value {
  const value = values[below(random, values.length)];
  if (value === undefined) throw new RangeError("nothing to pick from");
  return value;
}

const nested = (depth: number) => JSON.parse(`${"[".repeat(depth)}${"]".repeat(depth)}`);
const junk: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  -0,
  0.5,
  1e21,
  -1e308,
  2 ** 53,
  9_999_999_999_999,
  "",
  " ",
  "#",
  "0",
  "-1",
  "NaN",
  "true",
  "null",
  "__proto__",
  "constructor",
  "\u0000",
  "\ud800",
  "\ufffe",
  "\u202e\u2028",
  "../../etc/passwd",
  "{{7*7}}",
  "'; DROP TABLE executions; --",
  "<script>alert(1)</script>",
  "%00%0a%0d",
  "x".repeat(201),
  "é".repeat(300),
  [],
  {},
  [null],
  [[]],
  { toString: 1 },
  { length: -1 },
  { type: "execution" },
  nested(150),
];

const extraKeys = ["extra", "__proto__", "constructor", "id", "", "type", "0", "\u0000", "toString", "é".repeat(300)];

/** A copy of `value` in which one to three places are made bad. */
export function mutate(random: Random, value: unknown): unknown {
  let copy = structuredClone(value);
  for (let times = 1 + below(random, 3); times > 0; times--) copy = change(random, copy);
  return copy;
}

function change(random: Random, value: unknown): unknown {
  if (typeof value !== "object" || value === null || random() < 0.15) return pick(random, junk);
  if (Array.isArray(value)) {
    const at = below(random, value.length + 1);
    switch (below(random, 5)) {
      case 0:
        return value.toSpliced(at, 1);
      case 1:
        return value.toSpliced(at, 0, pick(random, junk));
      case 2:
        return [...value, ...value];
      default:
        return at < value.length ? value.with(at, change(random, value[at])) : [...value, pick(random, junk)];
    }
  }
  const entries = Object.entries(value);
  const at = below(random, entries.length + 1);
  const [key, inner] = entries[at] ?? [pick(random, extraKeys), undefined];
  switch (below(random, 5)) {
    case 0:
      return Object.fromEntries(entries.toSpliced(at, 1));
    case 1:
      return Object.fromEntries([...entries, [pick(random, extraKeys), pick(random, junk)]]);
    default:
      return Object.fromEntries([...entries.toSpliced(at, 1), [key, change(random, inner)]]);
  }
}

/** A text of JSON, most often of a bad value, sometimes broken itself. */
export function badJson(random: Random, value: unknown): string {
  const text = JSON.stringify(random() < 0.8 ? mutate(random, value) : value) ?? "";
  switch (below(random, 12)) {
    case 0:
      return text.slice(0, below(random, text.length + 1));
    case 1:
      return `${text}${pick(random, ["}", ",", "\u0000", text, "\n//"])}`;
    case 2: {
      const at = below(random, text.length + 1);
      return text.slice(0, at) + String.fromCharCode(below(random, 0xffff)) + text.slice(at + 1);
    }
    case 3:
      return pick(random, [
        "\ufeff",
        "'",
        "NaN",
        "[",
        "{",
        "",
        " ",
        "undefined",
        '{"a":1,"a":2}',
        "1e999",
        "[".repeat(3_000),
      ]);
    default:
      return text;
  }
}
