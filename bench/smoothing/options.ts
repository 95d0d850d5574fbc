/** Reads a bench's options strictly: each error is one line that says what is allowed. */

export function wholeNumber(name: string, text: string, max: number): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isSafeInteger(value) || value < 0 || value > max)
    throw new Error(`--${name} must be a whole number from 0 to ${max}, not '${text}'`);
  return value;
}

export function positive(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0 && value < Number.POSITIVE_INFINITY))
    throw new Error(`--${name} must be a number above 0, not '${text}'`);
  return value;
}

export function choice<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw new Error(`--${name} must be one of ${allowed.join(", ")}, not '${text}'`);
  return found;
}

/** One JSON line, or a table of the same names and values. */
export function print(result: object, json: boolean): void {
  if (json) {
    process.stdout.write(`${JSON.stringify(result)}\n`);
    return;
  }
  for (const [name, value] of Object.entries(result)) process.stdout.write(`${name.padEnd(14)} ${value}\n`);
}

/** The value below which `share` of the values lie (nearest rank); 0 of none. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

export function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
