/** Values of options, checked as they are read. */
import { InvalidArgumentError } from "commander";
import { systemClock } from "../platform/clock.ts";

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

/** A time as ISO 8601, or how long ago: `90s`, `15m`, `2h`. Unix ms. */
export function parseTime(text: string): number {
  const ago = /^(\d+(?:\.\d+)?)([smh])$/.exec(text);
  if (ago) return systemClock.now() - Number(ago[1]) * { s: 1_000, m: 60_000, h: 3_600_000 }[unitOf(ago[2])];
  const time = Date.parse(text);
  if (Number.isNaN(time))
    throw new InvalidArgumentError("A time is expected: 2026-11-21T09:30:00Z, or how long ago: 90s, 15m, 2h.");
  return time;
}

function unitOf(text: string | undefined): "s" | "m" | "h" {
  return text === "s" || text === "m" ? text : "h";
}

/** Several budgets, divided by commas. */
export function parseBudgets(text: string): number[] {
  return text.split(",").map(parseBudget);
}

/** Half width of a band, relative. */
export function parseBandWidth(text: string): number {
  return numberBetween(text, 0.000001, 0.999999, "A share above 0 and below 1, such as 0.1,");
}

/** Mean ticks. */
export function parseBurst(text: string): number {
  return numberBetween(text, 1, 1_000, "A number of mean ticks, 1 to 1000,");
}

export function parseBursts(text: string): number[] {
  return text.split(",").map(parseBurst);
}

export function parseMinutes(text: string): number {
  return numberBetween(text, 0.5, 1_440, "A number of minutes, 0.5 to 1440,");
}

export function parseMs(text: string): number {
  return numberBetween(text, 0.001, 1_000, "A number of ms above 0, at most 1000,");
}

/** How long a server is watched. */
export function parseWatch(text: string): number {
  return numberBetween(text, 1, 3_600, "A number of seconds, 1 to 3600,");
}

export function parseMilliseconds(text: string): number {
  return numberBetween(text, 1, 600_000, "A number of milliseconds, 1 to 600000,");
}
