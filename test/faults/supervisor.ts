/** Supervises the loop's processes as `evenkeel up` does, for plans from a file: a process of its own, to be killed, too. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { identify, type ProcessIdentity } from "../../local/process-identity.ts";
import { endLeftovers, type RunRecord, writeRun } from "../../local/run-record.ts";
import { type Service, supervise } from "../../local/supervise.ts";
import { describeError } from "../../platform/log.ts";

const text = z.string();
export const plansSchema = z.object({
  directory: text,
  serverId: text,
  plans: z.array(
    z.object({
      name: text,
      command: text,
      args: z.array(text),
      environment: z.record(text, text),
      directory: text,
      log: text,
      url: text,
      ready: text,
    }),
  ),
});

const { directory, serverId, plans } = plansSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")));
const supervisor = identify(process.pid);
if (!supervisor) throw new Error("this system does not tell when a process was started");
await endLeftovers(directory, 5_000);
let record: RunRecord = {
  format: 1,
  startedAt: Date.now(),
  supervisor,
  processes: [],
  serverId,
  serverUrl: plans[0]?.url ?? "",
  environment: {},
};
const note = (name: string, url: string, identity: ProcessIdentity) => {
  record = {
    ...record,
    processes: [...record.processes.filter((known) => known.name !== name), { name, url, ...identity }],
  };
  writeRun(directory, record);
};
const stop = new AbortController();
const services: Service[] = [];
process.once("SIGTERM", async () => {
  stop.abort();
  for (const service of services.reverse()) await service.stop();
  process.exit(0);
});
for (const plan of plans) {
  const onTrouble = (line: string) => process.stderr.write(`${new Date().toISOString()} ${line}\n`);
  const onStart = (identity: ProcessIdentity) => note(plan.name, plan.url, identity);
  // A first start may fail, since faults strike in it, too: then it is tried again, as a person would.
  for (let started = false; !started && !stop.signal.aborted; ) {
    try {
      services.push(await supervise({ ...plan, onTrouble, onStart, signal: stop.signal }));
      started = true;
    } catch (error) {
      onTrouble(describeError(error));
    }
  }
}
