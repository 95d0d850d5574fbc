import type { PutEventsCommand, PutEventsResultEntry } from "@aws-sdk/client-eventbridge";
import { describe, expect, it } from "@jest/globals";
import { z } from "zod";
import { type Bus, requestEstimates } from "../../../../lambdas/workload/estimate-costs/request-estimates.ts";

const detail = z.object({ serverId: z.string() });
const serversOf = ({ input }: PutEventsCommand): string[] =>
  (input.Entries ?? []).map(({ Detail = "" }) => detail.parse(JSON.parse(Detail)).serverId);

/** A bus that takes what `judge` does not throw at, nor answers with a refusal. */
function createBus(judge: (serverId: string, call: number) => PutEventsResultEntry) {
  const taken: string[] = [];
  let calls = 0;
  const bus: Bus = {
    async send(command) {
      calls++;
      const servers = serversOf(command);
      const Entries = servers.map((serverId) => judge(serverId, calls));
      taken.push(...servers.filter((_, i) => Entries[i]?.ErrorCode === undefined));
      return { Entries, $metadata: {} };
    },
  };
  return { bus, taken, calls: () => calls };
}

const servers = Array.from({ length: 34 }, (_, i) => `s${i}`);

describe("requestEstimates", () => {
  it("asks for each server once", async () => {
    const { bus, taken, calls } = createBus(() => ({}));
    await requestEstimates(bus, "bus", servers);
    expect(taken).toEqual(servers);
    expect(calls()).toBe(4);
  });

  it("asks for all others where a batch cannot be sent, and says which were left", async () => {
    const { bus, taken } = createBus((serverId) => {
      if (serverId === "s12") throw new Error("connection lost");
      return {};
    });
    await expect(requestEstimates(bus, "bus", servers)).rejects.toThrow(
      "the bus refused 10 of 34 requests (s10, s11, s12, ...): connection lost",
    );
    expect(taken).toEqual(servers.filter((_, i) => i < 10 || i >= 20));
  });

  it("asks once more for what was refused, after the others", async () => {
    const { bus, taken } = createBus((serverId, call) =>
      call <= 4 && (serverId === "s3" || serverId === "s25") ? { ErrorCode: "ThrottlingException" } : {},
    );
    await requestEstimates(bus, "bus", servers);
    expect(taken).toHaveLength(34);
    expect(taken.slice(-2)).toEqual(["s3", "s25"]);
  });

  it("gives up what is refused again, with the bus's word for it", async () => {
    const { bus, taken } = createBus((serverId) =>
      serverId === "s3" ? { ErrorCode: "Internal", ErrorMessage: "not now" } : {},
    );
    await expect(requestEstimates(bus, "bus", servers)).rejects.toThrow(
      "the bus refused 1 of 34 requests (s3): not now",
    );
    expect(taken).toHaveLength(33);
  });
});
