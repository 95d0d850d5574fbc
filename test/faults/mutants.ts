/**
 * Faults planted in our own code: a campaign that does not find what they lose proves nothing. They take the place of
 * methods of a process that runs, the simulated database's (preload.ts) or the campaign's own.
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { DynamoDBDocumentClient, QueryCommand } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import type { Conduct, Request } from "./proxy.ts";

/**
 * `greatest seen`: receipts say that everything before the last of them is recorded, too.
 * `forgets what waits`: what has no receipt when the sender is killed is gone, as if it had been recorded.
 * `receipt first`: receipts are written although their rows are not, as if they were written first and the writer killed.
 */
export const mutants = ["greatest seen", "forgets what waits", "receipt first"] as const;
export type Mutant = (typeof mutants)[number];

const receiptsSchema = z.looseObject({ first: z.number(), last: z.number() });
const isQueryOfReceipts = (command: unknown): boolean =>
  command instanceof QueryCommand && JSON.stringify(command.input.KeyConditions).includes("#receipts");

/** Plants what is to be planted in the process of a sender; `outbox` is its file. Returns what takes it out again. */
export function plant(mutant: Mutant | undefined, outbox: string): () => void {
  switch (mutant) {
    case "greatest seen":
      return replaceSend(DynamoDBDocumentClient.prototype, async (send, command) => {
        const answer = await send();
        if (!isQueryOfReceipts(command)) return answer;
        const page = z.looseObject({ Items: z.array(receiptsSchema) }).parse(answer);
        const last = Math.max(0, ...page.Items.map((receipt) => receipt.last));
        return { ...page, Items: page.Items.slice(-1).map((receipt) => ({ ...receipt, first: 1, last })) };
      });
    case "forgets what waits":
      if (existsSync(outbox)) settleAll(outbox);
      return () => {};
    case "receipt first":
    case undefined:
      return () => {};
  }
}

/** The part of a mutant that is before the functions: now and then rows seem to be written. */
export function conductOf(mutant: Mutant | undefined, { operation, body }: Request): Conduct {
  const isRows = operation === "BatchWriteItem" && !body.includes("#receipts");
  if (mutant !== "receipt first" || !isRows || Math.random() < 0.5) return { do: "pass" };
  return { do: "answer", status: 200, body: JSON.stringify({ UnprocessedItems: {} }) };
}

type Send = (this: unknown, ...args: unknown[]) => Promise<unknown>;

function replaceSend(
  prototype: { send: unknown },
  mutant: (send: () => Promise<unknown>, command: unknown) => Promise<unknown>,
): () => void {
  const { send } = prototype;
  if (typeof send !== "function") throw new TypeError("a client sends");
  const replaced: Send = function (...args) {
    return mutant(() => Reflect.apply(send, this, args), args[0]);
  };
  Object.assign(prototype, { send: replaced });
  return () => Object.assign(prototype, { send });
}

/** Were the rows still there, the check of the newest receipt would find this out and mend it. */
function settleAll(outbox: string): void {
  const db = new DatabaseSync(outbox, { timeout: 2_000 });
  const last = db.prepare("SELECT max(seq) AS seq FROM sqlite_sequence").get()?.seq;
  if (typeof last === "number" && last > 0) {
    db.exec("DELETE FROM settled; DELETE FROM rows");
    db.prepare("INSERT INTO settled VALUES (1, ?, NULL)").run(last);
  }
  db.close();
}
