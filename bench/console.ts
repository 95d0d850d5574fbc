/** `bench console`: how soon the page of a running console is seen, and what it weighs. In real time, in a real Chromium. */
import { parseArgs } from "node:util";
import { percentile } from "../core/workload/measures.ts";
import { openBrowser } from "../test/support/browser.ts";

const help = `Loads the page of a running console with an empty cache, several times.

  bench console [options]

  --address <url>  of the console (http://127.0.0.1:9030)
  --loads <n>      (10)
  --json           one JSON line for machines
`;

/** @throws Error with one line for the user */
export async function consolePage(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      address: { type: "string", default: "http://127.0.0.1:9030" },
      loads: { type: "string", default: "10" },
      json: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return console.log(help);
  const loads = Number(values.loads);
  if (!Number.isInteger(loads) || loads < 1)
    throw new Error(`--loads takes a whole number from 1, not '${values.loads}'`);
  const browser = await openBrowser();
  const paints: number[] = [];
  const live: number[] = [];
  let bytes = 0;
  try {
    for (let load = 0; load < loads; load++) {
      const context = await browser.newContext();
      const page = await context.newPage();
      const sizes: Promise<number>[] = [];
      page.on("requestfinished", (request) => {
        if (!request.url().includes("/api/")) sizes.push(request.sizes().then((of) => of.responseBodySize));
      });
      await page.goto(values.address);
      await page.getByRole("img", { name: /^CPU: \d/ }).waitFor();
      live.push(await page.evaluate<number>("performance.now()"));
      paints.push(await page.evaluate<number>("performance.getEntriesByName('first-contentful-paint')[0].startTime"));
      bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      await context.close();
    }
  } finally {
    await browser.close();
  }
  const median = (list: number[]) =>
    percentile(
      list.toSorted((a, b) => a - b),
      0.5,
    ) ?? 0;
  const result = {
    loads,
    firstPaintMsP50: Math.round(median(paints)),
    firstPaintMsMax: Math.round(Math.max(...paints)),
    firstChartMsP50: Math.round(median(live)),
    pageKilobytes: Math.round(bytes / 1_000),
  };
  if (values.json) console.log(JSON.stringify(result));
  else for (const [name, value] of Object.entries(result)) console.log(`${name.padEnd(20)} ${value}`);
}
