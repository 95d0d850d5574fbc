/** Values of options, checked as they are read. */
import { InvalidArgumentError } from "commander";

function numberBetween(text: string, min: number, max: number, what: string): number {
  const value = Number(text);
  if (text.trim() === "" || !(value >= min && value <= max)) throw new InvalidArgumentError(`${what} is expected.`);
  return value;
}

export function parsePort(text: string): number {
  const port = numberBetween(text, 1, 65_535, "A port, 1 to 65535,");
  if (!Number.isInteger(port)) throw new InvalidArgumentError("A port is a whole number.");
  return port;
}

export function parseCount(text: string): number {
  const count = numberBetween(text, 0, 0xffffffff, "A whole number, 0 or more,");
  if (!Number.isInteger(count)) throw new InvalidArgumentError("A whole number is expected.");
  return count;
}

export function parseSeconds(text: string): number {
  return numberBetween(text, 0, 3_600, "A number of seconds, 0 to 3600,");
}

/** Above 0: a budget of nothing cannot be planned with. */
export function parseBudget(text: string): number {
  return numberBetween(text, 0.001, 3_600, "A number of seconds above 0, at most 3600,");
}
