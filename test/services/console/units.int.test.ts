/** The console's page in a real Chromium beside a server whose executions last: each figure has its unit. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { type Listening, listen } from "../../../platform/http.ts";
import { silentLog as log } from "../../../platform/log.ts";
import { createServerApi } from "../../../platform/server-api.ts";
import type { StoredCost } from "../../../platform/tables/costs.ts";
import type { ConsoleStore } from "../../../services/console/store.ts";
import { openBrowser, patienceMs, watchErrors } from "../../support/browser.ts";
import { awayStore, type ServedConsole, serveConsole, streamingHost } from "../../support/console.ts";

const cost: StoredCost = { mean: [120, 2_048, 12], sd: [3, 64, 1], seen: 40, lastSeenAt: 1, durationMs: 151 };

/** A window each second of ticks that use 60 and 20 percent of a core in turn, 40 on the whole. */
function server(spread: boolean) {
  const metrics = {
    cpu: { average: 40, min: 20, max: 60 },
    io: { average: 512, min: 0, max: 900 },
    memory: { average: 64, min: 60, max: 70 },
  };
  return streamingHost({ serverId: "shop", spread }, (tick) => ({
    executed: [{ id: `x${tick}`, queryId: "report", arrivedTick: tick - 1 }],
    usage: { cpu: tick % 2 === 0 ? 60 : 20, io: 512, memory: 64 },
    ...(tick % 10 === 0 && { window: { firstTick: tick - 9, bounds: "exact", metrics } }),
  }));
}

describe.each([
  [true, { "CPU of a query": "120.0 ±3.0 ms", IO: "2048.0 ±64.0 KiB", memory: "12.0 ±1.0 MiB", lasts: 1 }],
  // The same server and costs without a duration, as if nothing lasted: the units of a tick's percentages.
  [false, { "CPU of a query": "120.0 ±3.0 %", IO: "2048.0 ±64.0 %", memory: "12.0 ±1.0 %", lasts: 0 }],
])("the page beside a server (executions last: %s)", (spread, expected) => {
  const stop = new AbortController();
  let browser: Browser;
  let database: Listening;
  let served: ServedConsole;
  let ticking: NodeJS.Timeout;
  let page: Page;
  let errors: string[];

  beforeAll(async () => {
    browser = await openBrowser();
    const host = server(spread);
    database = await listen(createServerApi(host, { log }), { host: "127.0.0.1", port: 0 });
    const { durationMs: _, ...short } = cost;
    const store: ConsoleStore = {
      ...awayStore,
      windows: async () => [],
      executions: async () => [],
      costs: async () => ({
        ...{ version: 1, estimatedAt: 1, windows: 60, prior: undefined, quality: {}, rejected: {} },
        ...{ skippedTicks: 0, outOfTime: 0, unreadable: [], costs: new Map([["report", spread ? cost : short]]) },
      }),
    };
    served = await serveConsole({ url: database.url, store }, stop.signal);
    ticking = setInterval(() => host.tick(), 20);
    page = await browser.newPage();
    page.setDefaultTimeout(patienceMs);
    errors = watchErrors(page);
  }, patienceMs);
  afterAll(async () => {
    clearInterval(ticking);
    stop.abort();
    await served?.running;
    await served?.close(0);
    await database?.close(0);
    await browser?.close();
  });

  it(
    "tells what a query costs in its units",
    async () => {
      await page.goto(`${served.url}/queries`);
      const row = page.getByRole("row").filter({ hasText: "report" });
      await row.getByText(expected["CPU of a query"], { exact: true }).waitFor();
      for (const text of [expected.IO, expected.memory]) await row.getByText(text, { exact: true }).waitFor();
      await page.goto(`${served.url}/query?id=report`);
      await page.getByText("What it is believed to cost").waitFor();
      expect(await page.getByText("151 ms with the database to itself").count()).toBe(expected.lasts);
      expect(await page.getByText("of a tick").count()).toBe(spread ? 0 : 3);
      expect(errors).toEqual([]);
    },
    patienceMs,
  );

  it(
    "tells usage in its units, and judges a second as a whole where executions last",
    async () => {
      await page.goto(served.url);
      await page.getByText(spread ? "40 % of a core (20 to 60)" : "40 % (20 to 60)").waitFor();
      await page.getByText(spread ? "512 KiB a tick (0 to 900)" : "512 % (0 to 900)").waitFor();
      await page.getByText(spread ? "64 MiB (60 to 70)" : "64 % (60 to 70)").waitFor();
      await page
        .locator("[data-figure=minute]")
        .getByText(spread ? /^100\s%$/ : /^0\s%$/)
        .waitFor();
      expect(errors).toEqual([]);
    },
    patienceMs,
  );
});
