/**
 * Loaded before the simulated database's own code (`node --import`), in fault campaigns only: moves its wall clock, ends
 * it at an exact place, and plants mutants of the real code. What to do stands in a file that the campaign writes.
 */
import { readFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import { type Control, controlSchema } from "./control.ts";

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

const receiptsSchema = z.looseObject({ first: z.number(), last: z.number() });
const isQueryOfReceipts = (command: unknown): boolean =>
  command instanceof QueryCommand && JSON.stringify(command.input.ExpressionAttributeValues).includes("#receipts");

if (control.mutant === "greatest seen") {
  const { send } = DynamoDBDocumentClient.prototype;
  const mutant = async function (this: DynamoDBDocumentClient, ...args: Parameters<typeof send>): Promise<unknown> {
    const answer: unknown = await Reflect.apply(send, this, args);
    if (!isQueryOfReceipts(args[0])) return answer;
    const page = z.looseObject({ Items: z.array(receiptsSchema) }).parse(answer);
    const last = Math.max(0, ...page.Items.map((receipt) => receipt.last));
    return { ...page, Items: page.Items.slice(-1).map((receipt) => ({ ...receipt, first: 1, last })) };
  };
  Object.assign(DynamoDBDocumentClient.prototype, { send: mutant });
}
