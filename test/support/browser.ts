/** A real Chromium: of the system, of EVENKEEL_CHROMIUM, or what `local/chromium.sh` has unpacked. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { resolve } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import { z } from "zod";
import { program } from "./program.ts";

/** Waits on conditions, on a busy machine. */
export const patienceMs = 60_000;

export function chromiumFile(): string {
  const found = program("chromium", process.env.EVENKEEL_CHROMIUM, resolve(".local/chromium/chromium"));
  if (!found) throw new Error("there is no Chromium: 'sh local/chromium.sh' gets one, EVENKEEL_CHROMIUM names one");
  return found;
}

export function openBrowser(): Promise<Browser> {
  // In a container there is often no sandbox to be had; only pages of this machine are opened.
  return chromium.launch({ executablePath: chromiumFile(), chromiumSandbox: false, timeout: patienceMs });
}

/** Errors of the page's own: what it threw, what its policy forbade, what it logged. Answers that are no success are not. */
export function watchErrors(page: Page, errors: string[] = []): string[] {
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !message.text().startsWith("Failed to load resource"))
      errors.push(message.text());
  });
  return errors;
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const findings = z.array(z.object({ id: z.string(), nodes: z.array(z.object({ html: z.string() })) }));

/** What axe finds against WCAG 2.2 A and AA: rule and elements, one line each. */
export async function axeFindings(page: Page): Promise<string[]> {
  await page.evaluate(`${axe};0`);
  const found = await page.evaluate(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] }).then((r) => r.violations)",
  );
  return findings
    .parse(found)
    .map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
}
