import { randomUUID } from "node:crypto";
import { PutCommand } from "@aws-sdk/lib-dynamodb";
import { afterAll, describe, expect, it } from "@jest/globals";
import { createAws } from "../../../platform/aws.ts";
import { readState, writeState } from "../../../platform/tables/scheduler-state.ts";
import { sharedCloud } from "../../support/cloud.ts";

const environment = sharedCloud();
const { document, destroy } = createAws(environment);
const table = environment.EVENKEEL_SCHEDULER_TABLE;
afterAll(destroy);

describe("a scheduler's state", () => {
  it("comes back as it was, to the last digit", async () => {
    const serverId = randomUUID();
    expect(await readState(document, table, serverId, "plan")).toBeUndefined();
    const value = { tiny: 5e-324, list: [1, null], text: "ü" };
    expect(await writeState(document, table, serverId, "plan", value, 3)).toBe("written");
    expect(await readState(document, table, serverId, "plan")).toEqual({ value, fence: 3 });
  });

  it("is not overwritten by a holder with a lower fence", async () => {
    const serverId = randomUUID();
    await writeState(document, table, serverId, "plan", "new", 4);
    expect(await writeState(document, table, serverId, "plan", "old", 3)).toBe("stale");
    expect(await writeState(document, table, serverId, "plan", "same holder", 4)).toBe("written");
    expect(await readState(document, table, serverId, "plan")).toMatchObject({ value: "same holder" });
  });

  it.each([
    ["another version", { format: 2, fence: 1, value: "{}" }, /format: /],
    ["no JSON", { format: 1, fence: 1, value: "{" }, /value: not JSON/],
  ])("of %s is named in one line", async (_, fields, problem) => {
    const serverId = randomUUID();
    await document.send(new PutCommand({ TableName: table, Item: { serverId, item: "knobs", ...fields } }));
    const reading = readState(document, table, serverId, "knobs");
    await expect(reading).rejects.toThrow(`item ${serverId} knobs of table ${table} cannot be read`);
    await expect(reading).rejects.toThrow(problem);
  });
});
