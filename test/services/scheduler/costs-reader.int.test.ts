import { randomUUID } from "node:crypto";
import { afterAll, describe, expect, it } from "@jest/globals";
import { createDocument } from "../../../platform/aws.ts";
import { readCosts } from "../../../platform/tables/costs.ts";
import { createCostsReader } from "../../../services/scheduler/costs-reader.ts";
import { Engine } from "../../../sim-server/database/engine.ts";
import { loadParameters } from "../../../sim-server/database/parameters.ts";
import { sharedCloud } from "../../support/cloud.ts";
import { writeTrueCosts } from "../../support/scheduler.ts";

describe("costs read by a thread of their own", () => {
  const cloud = sharedCloud();
  const environment = { ...process.env, ...cloud };
  const serverId = `read-${randomUUID()}`;
  const reader = createCostsReader({ table: cloud.EVENKEEL_COSTS_TABLE, environment });
  afterAll(() => reader.close());

  it("are what this thread would read, first none and then all", async () => {
    expect(await reader.read(serverId)).toMatchObject({ version: 0, prior: undefined, costs: new Map() });
    await writeTrueCosts(cloud, serverId, new Engine(loadParameters("default")));
    const document = createDocument(cloud);
    const here = await readCosts(document, cloud.EVENKEEL_COSTS_TABLE, serverId);
    document.destroy();
    expect(here.costs.size).toBe(100);
    expect(await reader.read(serverId)).toEqual(here);
  });

  it("fail in words when the table does not answer, and work again after the thread has ended", async () => {
    const lost = createCostsReader({ table: "no-such-table", environment });
    await expect(lost.read(serverId)).rejects.toThrow(/resource/i);
    await lost.close();
    const reading = reader.read(serverId);
    await reader.close();
    await expect(reading).rejects.toThrow("has ended");
    expect((await reader.read(serverId)).version).toBe(1);
  });
});
