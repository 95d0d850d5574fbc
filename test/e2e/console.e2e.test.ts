/** The console in a real Chromium beside the whole loop: one loop and one page for all of it, for learning takes a minute. */
import { afterAll, beforeAll, describe, expect, it } from "@jest/globals";
import type { Browser, Page } from "playwright-core";
import { z } from "zod";
import { readRun } from "../../local/run-record.ts";
import { axeFindings, openBrowser, watchErrors } from "../support/browser.ts";
import { Place, type Running } from "../support/evenkeel.ts";
import { eventually } from "../support/eventually.ts";

const patienceMs = 120_000;

/** The number before a percent sign. */
const percent = (text: string | null) => Number.parseFloat(text ?? "");

describe("the console beside a running loop", () => {
  let place: Place;
  let up: Running;
  let browser: Browser;
  let page: Page;
  let errors: string[];
  let url = "";

  /** Share of the newest windows in which a tick lay beyond the band, by the page's own API. */
  const deviation = async () => {
    const answer = await fetch(`${url}/api/windows?minutes=1`);
    const { windows } = z.object({ windows: z.array(z.object({ deviation: z.number() })) }).parse(await answer.json());
    const newest = windows.slice(-10).map(({ deviation: of }) => of);
    return newest.sort((a, b) => a - b)[Math.floor(newest.length / 2)] ?? 1;
  };
  const reload = async (address: string) => {
    const other = await browser.newPage();
    other.setDefaultTimeout(patienceMs);
    watchErrors(other, errors);
    await other.goto(address);
    return other;
  };

  beforeAll(async () => {
    [place, browser] = await Promise.all([Place.create(), openBrowser()]);
    up = place.up("--cloud", "embedded", "--scenario", "five", "--seed", "3");
    const output = await eventually(
      async () => up.output(),
      (said) => said.includes("See the load level itself"),
      180_000,
    );
    url = /See the load level itself: (\S+)/.exec(output)?.[1] ?? "";
    expect(url).toBe(readRun(place.directory)?.processes.find(({ name }) => name === "console")?.url);
    page = await browser.newPage({ viewport: { width: 1240, height: 900 } });
    page.setDefaultTimeout(patienceMs);
    errors = watchErrors(page);
  }, 240_000);
  afterAll(async () => {
    await browser?.close();
    await place?.remove();
  }, 120_000);

  it(
    "draws what happens, second by second",
    async () => {
      await page.goto(url);
      await page.getByText("Live: local-five-seed3").waitFor();
      const drawn = () => page.evaluate<string>("document.querySelector('.cpu canvas').toDataURL()");
      const told = () => page.getByRole("img", { name: /^CPU: \d/ }).getAttribute("aria-label");
      const before = { drawn: await drawn(), told: await told() };
      expect(await eventually(drawn, (now) => now !== before.drawn, patienceMs)).not.toBe(before.drawn);
      expect(await eventually(told, (now) => now !== before.told, patienceMs)).not.toBe(before.told);
      // Paused, it stands still.
      await page.getByRole("button", { name: "Pause" }).click();
      const paused = await drawn();
      const heard = () => page.evaluate<number>("performance.now()");
      const since = await heard();
      await eventually(heard, (now) => now > since + 2_500);
      expect(await drawn()).toBe(paused);
      await page.getByRole("button", { name: "Go on" }).click();
    },
    patienceMs,
  );

  it(
    "shows the load become level once costs are learned",
    async () => {
      await page.getByText("It steers.").waitFor();
      expect(await eventually(deviation, (of) => of < 0.2, patienceMs)).toBeLessThan(0.2);
      await page.getByText("nothing is missing").waitFor();
    },
    2 * patienceMs,
  );

  it(
    "opens the band when the scheduler is switched off, and closes it again",
    async () => {
      const toggle = page.getByRole("switch");
      await toggle.click();
      await page.getByRole("switch", { name: "Scheduler off", checked: false }).waitFor();
      expect(await eventually(deviation, (of) => of > 0.35, 60_000)).toBeGreaterThan(0.35);
      const row = page.getByRole("row", { name: /Windows in band/ });
      const shares = async () => (await row.getByRole("cell").allTextContents()).map(percent);
      await eventually(shares, ([off]) => off !== undefined && !Number.isNaN(off), 60_000);
      await toggle.click();
      await page.getByRole("switch", { name: "Scheduler on", checked: true }).waitFor();
      expect(await eventually(deviation, (of) => of < 0.2, 60_000)).toBeLessThan(0.2);
      const [off = 100, on = 0] = await eventually(shares, ([before = 100, after = 0]) => after > before, 60_000);
      expect(on).toBeGreaterThan(off);
    },
    4 * 60_000,
  );

  it(
    "sets the latency budget, which the scheduler keeps",
    async () => {
      await page.getByRole("slider", { name: /Delay that 95/ }).fill("6");
      await page.getByText("5 s", { exact: true }).first().waitFor({ state: "attached" });
      const knobs = async () => {
        const answer = await fetch(`${readRun(place.directory)?.schedulerUrl}/knobs`);
        return z.looseObject({ latencyP95Seconds: z.number() }).parse(await answer.json());
      };
      expect(await eventually(knobs, ({ latencyP95Seconds }) => latencyP95Seconds === 5, 20_000)).toMatchObject({
        latencyP95Seconds: 5,
        bandWidth: 0.1,
        enabled: true,
      });
    },
    patienceMs,
  );

  it(
    "sorts and filters the queries, and a link shows the same",
    async () => {
      await page.getByRole("link", { name: "Queries" }).click();
      const cells = async (of: Page) =>
        (await of.locator("tbody tr td:nth-child(2)").allTextContents()).map(Number.parseFloat);
      await page.getByRole("button", { name: "CPU" }).click();
      await page.locator("th[aria-sort=descending]", { hasText: "CPU" }).waitFor();
      const falling = await eventually(
        () => cells(page),
        (costs) =>
          costs.length === 50 && costs.every((cost, at) => cost <= (costs[at - 1] ?? Number.POSITIVE_INFINITY)),
        patienceMs,
      );
      expect(falling).toEqual(falling.toSorted((a, b) => b - a));
      await page.getByRole("button", { name: "CPU" }).click();
      const rising = await eventually(
        () => cells(page),
        (costs) => (costs[0] ?? 0) < (falling[0] ?? 0),
        patienceMs,
      );
      expect(rising).toEqual(rising.toSorted((a, b) => a - b));
      const same = await reload(page.url());
      await same.locator("th[aria-sort=ascending]", { hasText: "CPU" }).waitFor();
      expect(
        (
          await eventually(
            () => cells(same),
            (costs) => costs.length === 50,
            patienceMs,
          )
        )[0],
      ).toBe(rising[0]);
      await same.getByRole("searchbox").fill("no such query");
      await same.getByText(/^0 of \d+$/).waitFor();
      expect(same.url()).toContain("filter=no");
      await same.close();
    },
    2 * patienceMs,
  );

  it(
    "tells of a query what ran, and of an execution why it ran then",
    async () => {
      await page.locator("tbody a.id").first().click();
      await page.getByRole("heading", { name: /recorded executions/i }).waitFor();
      await page.locator("tbody a.id").first().click();
      await page
        .getByText(/^ran after|the scheduler did not see it/)
        .first()
        .or(page.getByText(/: ran after/))
        .first()
        .waitFor();
      await page.getByText(/row [\d,]+ of outbox/).waitFor();
      const same = await reload(page.url());
      await same.getByText(/row [\d,]+ of outbox/).waitFor();
      await same.locator("ol.story a.nowrap").click();
      await same.getByRole("heading", { name: "Tick by tick" }).waitFor();
      expect(await same.locator("tbody").last().locator("tr").count()).toBe(10);
      await same.close();
    },
    2 * patienceMs,
  );

  it(
    "shows what was recorded in a time, by a link, and exports it",
    async () => {
      const to = Date.now() - 5_000;
      const from = to - 60_000;
      await page.goto(`${url}/history?from=${from}&to=${to}`);
      const summary = await page
        .getByText(/windows in band/)
        .first()
        .textContent();
      const same = await reload(page.url());
      await same.getByText(summary ?? "", { exact: true }).waitFor();
      await same.close();
      const [csv, json] = await Promise.all(
        ["csv", "json"].map(async (format) =>
          (await fetch(`${url}/api/history/windows?from=${from}&to=${to}&format=${format}`)).text(),
        ),
      );
      const rows = z.array(z.object({ endedAt: z.number() })).parse(JSON.parse(json ?? ""));
      expect(csv?.trim().split("\n")).toHaveLength(rows.length + 1);
      expect(rows.length).toBeGreaterThan(50);
      expect(rows.every(({ endedAt }) => endedAt >= from && endedAt <= to)).toBe(true);
    },
    patienceMs,
  );

  it(
    "tries other budgets on what was recorded, and simulates how an estimate comes to the truth",
    async () => {
      await page.goto(`${url}/what-if?minutes=5`);
      await page.getByText(/Predicted: \d+ % of windows in band/).waitFor();
      const predicted = () => page.getByText(/Predicted:/).textContent();
      const before = await predicted();
      await page.getByRole("slider").fill("5");
      expect(await eventually(predicted, (now) => now !== before, 20_000)).not.toBe(before);
      await page.goto(`${url}/queries`);
      await page.locator("tbody a.id").first().click();
      await page.getByRole("button", { name: /Simulate/ }).click();
      await page.getByText("The simulation has this very query.").waitFor();
      await page.getByText(/CPU: truth (\d+), learned \1\.0/).waitFor();
    },
    3 * patienceMs,
  );

  it("serves the same figures to machines", async () => {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toMatch(/evenkeel_part_up\{part="scheduler"\} 1/);
    expect(metrics).toMatch(/evenkeel_scheduler_enabled\{server="local-five-seed3"\} 1/);
    expect(metrics).toMatch(/evenkeel_in_band_share\{minutes="1"\} [\d.]+/);
    const document = z
      .object({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) })
      .parse(await (await fetch(`${url}/api/openapi.json`)).json());
    expect(Object.keys(document.paths)).toContain("/api/why/execution/{id}");
  });

  it(
    "is free of axe's findings with data on every view",
    async () => {
      const views = ["/", "/queries", "/why", "/history", "/what-if?minutes=5"];
      for (const view of views) {
        await page.goto(`${url}${view}`);
        await page.getByText("Live: local-five-seed3").waitFor();
        await page.locator("main h1").waitFor({ state: "attached" });
        expect([view, await axeFindings(page)]).toEqual([view, []]);
      }
    },
    2 * patienceMs,
  );

  it.each([
    ["scheduler", "The scheduler"],
    ["database", "The database server"],
  ])(
    "shows within seconds that the %s was killed, and that it is back",
    async (name, title) => {
      await page.goto(url);
      await page.getByText("Live: local-five-seed3").waitFor();
      const away = page.getByText(new RegExp(`${title} is away since`));
      // The supervisor starts it again at once, and with a growing pause when it is killed again and again.
      let killed = place.pidOf(name);
      for (let kills = 0; kills < 4; kills++) {
        process.kill(killed, "SIGKILL");
        if (kills < 3)
          killed = await eventually(
            async () => place.pidOf(name),
            (pid) => pid !== killed,
          );
      }
      await away.waitFor({ timeout: 5_000 });
      await away.waitFor({ state: "detached" });
      await page.getByText("It steers.").waitFor();
    },
    2 * patienceMs,
  );

  it("logged no error in any of its pages", () => {
    expect(errors).toEqual([]);
  });
});
