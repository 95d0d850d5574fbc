/**
 * Loaded before the simulated database's own code (`node --import`), in fault campaigns only: moves its wall clock, ends
 * it at an exact place, and plants mutants of the real code. What to do stands in a file that the campaign writes.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type Control, controlSchema } from "./control.ts";
import { plant } from "./mutants.ts";

const file = process.env.EVENKEEL_FAULTS_CONTROL ?? "";
let control: Control = controlSchema.parse({});
const read = () => {
  try {
    control = controlSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // It is being written.
  }
};
read();
/** What the process before this one died of. */
const past = control.death?.id;
setInterval(read, 20).unref();

const wallClock = Date.now.bind(Date);
Date.now = () => wallClock() + control.clockOffsetMs;

const dieAt = (place: string) => {
  if (control.death?.at === place && control.death.id !== past) process.kill(process.pid, "SIGKILL");
};
const exec = DatabaseSync.prototype.exec;
DatabaseSync.prototype.exec = function (sql: string) {
  if (sql === "BEGIN IMMEDIATE") dieAt("before transaction");
  if (sql === "COMMIT") dieAt("before commit");
  exec.call(this, sql);
  if (sql === "COMMIT") dieAt("after commit");
};

plant(control.mutant, join(process.env.EVENKEEL_DATA_DIR ?? "", "outbox.sqlite"));
