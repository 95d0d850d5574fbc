/** The console's page in a real Chromium, on data that is meant to break it. */
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { createApp, type Listening, listen } from "../../../platform/http.ts";
import { silentLog as log } from "../../../platform/log.ts";
import { createServerApi } from "../../../platform/server-api.ts";
import { viewPaths } from "../../../services/console/app.ts";
import { type Asset, loadAssets, pageHeaders, sendAsset } from "../../../services/console/assets.ts";
import type { LiveEvent } from "../../../services/console/contract/live.ts";
import { axeFindings, openBrowser, patienceMs, watchErrors } from "../../support/browser.ts";
import { type ServedConsole, serveConsole, streamingHost } from "../../support/console.ts";

const hostile = [
  "<img/src=x/onerror=window.broken=1>",
  "</script><script>window.broken=2</script>",
  "javascript:window.broken=3//",
  "__proto__",
  "\"'`{{window.broken=4}}",
];

/** Serves a stream in which each of the hostile queries runs in every tick. */
function hostileServer() {
  const band = { average: 100, min: 80, max: 130 };
  const metrics = { cpu: band, io: band, memory: band };
  return streamingHost({ serverId: "<b>server</b>" }, (tick) => ({
    executed: hostile.map((queryId, index) => ({ id: `${queryId}${tick}${index}`, queryId, arrivedTick: tick - 1 })),
    ...(tick % 10 === 0 && { window: { firstTick: tick - 9, bounds: "exact", metrics } }),
  }));
}

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
}, patienceMs);
afterAll(() => browser?.close());

describe("the page on hostile data, with everything else away", () => {
  const stop = new AbortController();
  let database: Listening;
  let served: ServedConsole;
  let running: Promise<void>;
  let ticking: NodeJS.Timeout;
  let page: Page;
  let errors: string[];

  beforeAll(async () => {
    const host = hostileServer();
    database = await listen(createServerApi(host, { log }), { host: "127.0.0.1", port: 0 });
    served = await serveConsole({ url: database.url, keeps: "<i>nothing</i>" }, stop.signal);
    running = served.running;
    ticking = setInterval(() => host.tick(), 100);
    page = await browser.newPage();
    page.setDefaultTimeout(patienceMs);
    errors = watchErrors(page);
  }, patienceMs);
  afterAll(async () => {
    clearInterval(ticking);
    await page?.close();
    stop.abort();
    await running;
    await served?.close(0);
    await database?.close(0);
  });

  const unbroken = async () => expect(await page.evaluate("window.broken")).toBeUndefined();

  it(
    "shows hostile ids as text, in tables and titles",
    async () => {
      await page.goto(served.url);
      await page.getByText("Live: <b>server</b>").waitFor();
      await page.getByText("<i>nothing</i>").waitFor();
      await page.getByRole("link", { name: "Queries" }).click();
      for (const id of hostile) await page.getByRole("link", { name: id, exact: true }).waitFor();
      for (const id of hostile) {
        await page.goto(`${served.url}/query?id=${encodeURIComponent(id)}`);
        await page.getByRole("heading", { name: id }).waitFor();
        await page.goto(`${served.url}/why?execution=${encodeURIComponent(id)}`);
        await page.getByRole("alert").first().waitFor();
      }
      await unbroken();
      expect(errors).toEqual([]);
    },
    patienceMs,
  );

  it(
    "would be seen breaking: the same text taken for HTML runs",
    async () => {
      const plain = await browser.newPage();
      await plain.setContent(`<p>${hostile[1]}</p>`);
      expect(await plain.evaluate("window.broken")).toBe(2);
      await plain.close();
      // And the page's policy forbids what its code does not do.
      await page.goto(served.url);
      const refused = await page.evaluate(
        "(() => { try { document.body.innerHTML = '<b>x</b>'; return 'taken'; } catch { return 'refused'; } })()",
      );
      expect(refused).toBe("refused");
      errors.length = 0;
    },
    patienceMs,
  );

  it.each([
    ["/?minutes=banana&refresh=-1&paused=maybe", /Not understood in this address.*minutes=banana/],
    ["/queries?sort=price&order=up&offset=-5", /Not understood in this address.*sort=price/],
    ["/history?from=x&to=y", /Not understood in this address.*to=y/],
    ["/history?from=0&to=1795267084670", /At most 24 hours can be read at once/],
    ["/history?from=20&to=10", /beginning must lie before the end/],
    ["/history", /the tables do not answer: the cloud is away/],
    ["/why?window=999", /the tables do not answer: the cloud is away/],
    ["/why?execution=a%20b", /this is no execution's id/],
    ["/why?execution=unknown", /nobody remembers this execution/],
    ["/query", /names no query/],
    ["/", /DynamoDB is away since/],
  ])(
    "says at %s what is wrong",
    async (path, message) => {
      await page.goto(`${served.url}${path}`);
      await page.getByText(message).first().waitFor();
      await unbroken();
      expect(errors).toEqual([]);
    },
    patienceMs,
  );

  it(
    "says that it is stale when the console's server goes, and comes back by itself",
    async () => {
      await page.goto(served.url);
      await page.getByText("Live: <b>server</b>").waitFor();
      await page.context().setOffline(true);
      await page.route("**/api/live*", (route) => route.abort());
      const { port } = served;
      await served.close(0);
      await page.getByText(/Stale: nothing heard for/).waitFor();
      await page.getByText(/The console.s server does not answer/).waitFor();
      await page.context().setOffline(false);
      await page.unroute("**/api/live*");
      served = await serveConsole({ url: database.url }, stop.signal, port);
      running = Promise.all([running, served.running]).then(() => {});
      await page.getByText("Live: <b>server</b>").waitFor();
      expect(errors).toEqual([]);
    },
    2 * patienceMs,
  );

  it(
    "is free of axe's findings, in light and dark, and on a phone",
    async () => {
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme });
        for (const path of viewPaths) {
          await page.goto(`${served.url}${path}`);
          await page.getByText("Live: <b>server</b>").waitFor();
          expect([path, colorScheme, await axeFindings(page)]).toEqual([path, colorScheme, []]);
        }
      }
      await page.setViewportSize({ width: 390, height: 844 });
      for (const path of viewPaths) {
        await page.goto(`${served.url}${path}`);
        await page.getByText("Live: <b>server</b>").waitFor();
        const wide = await page.evaluate("document.documentElement.scrollWidth - innerWidth");
        expect([path, wide]).toEqual([path, 0]);
      }
      // The same check on a page with a fault finds it.
      await page.evaluate("document.querySelector('h1')?.after(document.createElement('button'))");
      expect((await axeFindings(page)).join()).toContain("button-name");
    },
    2 * patienceMs,
  );

  it(
    "can be used by keyboard alone",
    async () => {
      await page.setViewportSize({ width: 1240, height: 900 });
      await page.goto(served.url);
      await page.getByText("Live: <b>server</b>").waitFor();
      const reached: string[] = [];
      for (let presses = 0; presses < 25; presses++) {
        await page.keyboard.press("Tab");
        reached.push(String(await page.evaluate("document.activeElement?.textContent?.trim()")));
      }
      expect(reached).toEqual(expect.arrayContaining(["Skip to content", "Queries", "5 min", "Pause"]));
      await page.getByRole("button", { name: "Pause" }).focus();
      await page.keyboard.press("Enter");
      await page.getByText("Paused: what is shown stands still").waitFor();
      expect(page.url()).toContain("paused=1");
    },
    patienceMs,
  );

  it(
    "weighs less than 200 kB",
    async () => {
      const fresh = await browser.newPage();
      const sizes: Promise<number>[] = [];
      fresh.on("requestfinished", (request) => {
        if (!request.url().includes("/api/"))
          sizes.push(request.sizes().then(({ responseBodySize }) => responseBodySize));
      });
      await fresh.goto(served.url, { waitUntil: "load" });
      await fresh.getByText("Live: <b>server</b>").waitFor();
      const bytes = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
      expect(bytes).toBeGreaterThan(20_000);
      expect(bytes).toBeLessThan(200_000);
      await fresh.close();
    },
    patienceMs,
  );
});

/** The page's files, with one of them changed. */
function changed(file: string, from: string, to: string): ReadonlyMap<string, Asset> {
  const assets = loadAssets();
  const asset = assets.get(file);
  const source = new TextDecoder().decode(asset?.body);
  if (!asset || !source.includes(from)) throw new Error(`${file} has no ${from}`);
  const body = new TextEncoder().encode(source.replace(from, to));
  return assets.set(file, { ...asset, etag: '"changed"', body, gzipped: new Uint8Array(gzipSync(body)) });
}

/** The page's heap after two and after ten hours of events, which it is sent as fast as it takes them. */
async function heapAfterHours(assets: ReadonlyMap<string, Asset>): Promise<{ two: number; ten: number }> {
  const app = createApp(log);
  const index = assets.get("index.html");
  if (!index) throw new Error("no page");
  let send: (hours: number) => void = () => {};
  app.get("/", (context) => sendAsset(context, index));
  app.get("/page/:file{.+}", (context) => {
    const asset = assets.get(context.req.param("file"));
    return asset ? sendAsset(context, asset) : context.notFound();
  });
  let at = Date.now();
  app.get("/api/live", (context) => {
    const body = new ReadableStream({
      start(controller) {
        send = (hours) => {
          for (let second = 0; second < hours * 3_600; second++) {
            at += 1_000;
            controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(eventAt(at))}\n\n`));
          }
        };
      },
    });
    return context.body(body, 200, { "Content-Type": "text/event-stream", ...pageHeaders });
  });
  const served = await listen(app, { host: "127.0.0.1", port: 0 });
  const page = await browser.newPage();
  const errors = watchErrors(page);
  const session = await page.context().newCDPSession(page);
  const heapAfter = async (hours: number, name: string) => {
    send(hours);
    // The last event names the server anew: then all before it have been taken.
    last = name;
    send(1 / 3_600);
    await page.getByText(`Live: ${name}`).waitFor({ timeout: patienceMs });
    await session.send("HeapProfiler.collectGarbage");
    return (await session.send("Runtime.getHeapUsage")).usedSize;
  };
  await page.goto(served.url);
  const two = await heapAfter(2, "two-hours");
  const ten = await heapAfter(8, "ten-hours");
  expect(errors).toEqual([]);
  await page.close();
  await served.close(0);
  return { two, ten };
}

describe("ten hours on the page", () => {
  const allowed = (two: number) => two * 1.1 + 1_000_000;

  it(
    "leave no more behind than two do",
    async () => {
      const { two, ten } = await heapAfterHours(loadAssets());
      expect(ten).toBeLessThan(allowed(two));
    },
    3 * patienceMs,
  );

  it(
    "would be seen leaving more: a page that forgets nothing",
    async () => {
      const { two, ten } = await heapAfterHours(changed("merge-windows.ts", "if (over > 0)", "if (false)"));
      expect(ten).toBeGreaterThan(allowed(two));
    },
    3 * patienceMs,
  );
});

let last = "hours";

function eventAt(at: number): LiveEvent {
  const band = { average: 100, min: 90, max: 120 };
  const metrics = { cpu: band, io: band, memory: band };
  const judged = { inBand: false, idle: false, deviation: 0.2, level: null, steered: true };
  const window = { at, ...metrics, ran: 10, waiting: 3, ...judged };
  return {
    windows: [window],
    state: {
      at,
      serverId: last,
      tickMs: 100,
      spread: false,
      parts: [],
      inBand: { minute: 0.5, tenMinutes: 0.5, hour: 0.5 },
      delay: { minute: null, tenMinutes: null, hour: null, buckets: [{ upToSeconds: null, executions: 0 }] },
      waiting: 3,
      scheduler: null,
      capture: null,
      audit: null,
      queue: null,
      costs: null,
      comparison: { off: null, on: null },
      keeps: "",
    },
  };
}
