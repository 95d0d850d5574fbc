/** `npm run screenshots [address]`: pictures of a running console for the documents. Turns the scheduler off for a minute. */
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { openBrowser } from "../test/support/browser.ts";

const address = process.argv[2] ?? "http://127.0.0.1:9030";
const directory = join(import.meta.dirname, "..", "docs", "images");
const patienceMs = 180_000;
/** Of either state, so that the picture shows both. */
const showMs = 75_000;
const mostBytes = 250_000;

/** Again where a busy machine took too long. */
async function turn(enabled: boolean, tries = 5): Promise<void> {
  const answer = await fetch(`${address}/api/knobs`, { method: "PUT", body: JSON.stringify({ enabled }) });
  if (answer.ok) return;
  if (answer.status !== 502 || tries === 1) throw new Error(`the switch: ${await answer.text()}`);
  await turn(enabled, tries - 1);
}

/** What is seen without scrolling: small enough for a repository. */
async function picture(page: Page, name: string): Promise<void> {
  const file = join(directory, `${name}.png`);
  await page.screenshot({ path: file, animations: "disabled" });
  const { size } = statSync(file);
  console.log(`${file}: ${Math.round(size / 1_000)} kB${size > mostBytes ? ", which is too much" : ""}`);
}

async function main(): Promise<void> {
  mkdirSync(directory, { recursive: true });
  const browser = await openBrowser();
  try {
    const page = await browser.newPage({ viewport: { width: 1240, height: 900 } });
    page.setDefaultTimeout(patienceMs);
    await page.goto(address);
    await page.getByText("It steers.").waitFor();
    try {
      await turn(false);
      await page.waitForTimeout(showMs);
    } finally {
      await turn(true);
    }
    await page.waitForTimeout(showMs);
    await page.setViewportSize({ width: 1240, height: 905 });
    await picture(page, "console");
    await page.emulateMedia({ colorScheme: "dark" });
    await picture(page, "console-dark");
    await page.emulateMedia({ colorScheme: "light" });
    await page.setViewportSize({ width: 390, height: 844 });
    await picture(page, "console-phone");
    await page.setViewportSize({ width: 1240, height: 900 });
    await page.goto(`${address}/queries`);
    await page.locator("tbody a.id").first().click();
    await page.getByRole("button", { name: /Simulate/ }).click();
    await page.getByText(/The simulation has/).scrollIntoViewIfNeeded();
    await picture(page, "query");
    await page.goto(`${address}/what-if?minutes=5`);
    await page.getByText(/Predicted: \d+/).waitFor();
    await picture(page, "what-if");
  } finally {
    await browser.close();
  }
}

await main();
