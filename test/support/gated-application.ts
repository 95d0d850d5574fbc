/**
 * An application as a process: runs work through a gate, and writes a line to its own ledger (a file) when a piece begins
 * and when it ends. Arguments: the gatekeeper's URL, the ledger, a name for its work, how long it goes on in ms.
 */
import { openSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createGate } from "../../gate/src/gate.ts";

const [url = "", file = "", name = "", forMs = "0"] = process.argv.slice(2);
const ledger = openSync(file, "a");
const note = (...words: (string | number)[]) => writeSync(ledger, `${words.join(" ")}\n`);

const gate = createGate({ url, database: "shop", role: name, mode: "enforce", onWarning: () => {} });
const until = performance.now() + Number(forMs);
const all: Promise<unknown>[] = [];
for (let number = 0; performance.now() < until; number++) {
  const deferBy = number % 2 === 0 ? 0 : 400;
  const asked = performance.now();
  all.push(
    gate.run({ id: `${name}-${number}`, deferBy }, async () => {
      note("begun", `${name}-${number}`, Math.round(performance.now() - asked), deferBy);
      await sleep(30);
      note("ended", `${name}-${number}`);
    }),
  );
  await sleep(15);
}
await Promise.all(all);
// Then it is told to end, or killed, with one that does not end.
void gate.run({ id: `${name}-last`, deferBy: 0 }, () => {
  note("begun", `${name}-last`, 0, 0);
  return new Promise(() => {});
});
// A gatekeeper takes nothing to be untold after 500 ms of silence.
await sleep(1_500);
process.stdout.write("done\n");
process.once("SIGTERM", async () => {
  await gate.close();
  process.exit(0);
});
setInterval(() => {}, 1_000);
