/**
 * The dead-letter queue as a person works on it: read, send again, give up. What the recorder puts there carries its
 * reason, origin and time as attributes; what the queue itself moves there (the function crashed on it) carries none.
 */
import { randomUUID } from "node:crypto";
import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from "@aws-sdk/client-sqs";
import type { DynamoDBDocumentClient } from "@aws-sdk/lib-dynamodb";
import { z } from "zod";
import type { WorkloadEnvironment } from "./environment.ts";
import { deleteTombstone, discardTombstone, noteDiscardedLetter } from "./tables/graves.ts";
import { problemOf } from "./tables/query.ts";
import { batchEnvelope, batchFormat, type HeldIncarnation, identifier, outboxRow } from "./wire.ts";

const originSchema = z.object({
  messageId: z.string().optional(),
  serverId: identifier.optional(),
  incarnation: identifier.optional(),
  sequence: z.int().min(1).optional(),
});
export type LetterOrigin = z.infer<typeof originSchema>;

export interface Letter {
  /** The letter's own; any beginning of it that is unique names it on the command line. */
  readonly id: string;
  /** A row that could not be recorded; a batch of ours that the function crashed on; a message that is not ours. */
  readonly kind: "row" | "batch" | "foreign";
  readonly reason: string;
  readonly origin: LetterOrigin;
  /** Unix ms: when it could not be recorded. */
  readonly failedAt: number;
  readonly body: string;
  readonly receiptHandle: string;
}

export interface DeadLetterSources {
  readonly sqs: SQSClient;
  readonly document: DynamoDBDocumentClient;
  readonly names: Pick<WorkloadEnvironment, "EVENKEEL_QUEUE_URL" | "EVENKEEL_DLQ_URL" | "EVENKEEL_EXECUTIONS_TABLE">;
}

/** Letters are hidden from others for so long while they are worked on. */
const hiddenSeconds = 120;

/**
 * Gives `use` the letters in the queue, at most `limit`, oldest first; afterwards those that are still there are visible
 * to others again. Of letters that the queue moved there itself it shows ten a message group.
 */
export async function withDeadLetters<T>(
  { sqs, names }: DeadLetterSources,
  limit: number,
  use: (letters: readonly Letter[]) => Promise<T>,
): Promise<T> {
  const QueueUrl = names.EVENKEEL_DLQ_URL;
  const messages = new Map<string, Message>();
  try {
    while (messages.size < limit) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: Math.min(10, limit - messages.size),
          MessageAttributeNames: ["All"],
          MessageSystemAttributeNames: ["All"],
          VisibilityTimeout: hiddenSeconds,
          WaitTimeSeconds: messages.size === 0 ? 1 : 0,
        }),
      );
      if (Messages.length === 0) break;
      for (const message of Messages) messages.set(message.MessageId ?? "", message);
    }
    const letters = [...messages.values()].map(letterOf);
    return await use(letters.sort((a, b) => a.failedAt - b.failedAt || (a.id < b.id ? -1 : 1)));
  } finally {
    const handles = [...messages.values()].map(({ ReceiptHandle }, index) => ({
      Id: String(index % 10),
      ReceiptHandle,
      VisibilityTimeout: 0,
    }));
    for (let start = 0; start < handles.length; start += 10) {
      // What was deleted meanwhile is reported as failed in the answer, which is as it should be.
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries: handles.slice(start, start + 10) }));
    }
  }
}

function letterOf({ MessageId = "", ReceiptHandle = "", Body = "", MessageAttributes, Attributes }: Message): Letter {
  const attribute = (name: string) => MessageAttributes?.[name]?.StringValue;
  const origin = originSchema.safeParse(parseJson(attribute("origin") ?? "{}")).data ?? {};
  const sentAt = Number(Attributes?.SentTimestamp ?? 0);
  const failedAt = Date.parse(attribute("failedAt") ?? "") || sentAt;
  const common = { id: MessageId, failedAt, body: Body, receiptHandle: ReceiptHandle };
  const reason = attribute("reason");
  if (reason !== undefined) return { ...common, kind: origin.serverId ? "row" : "foreign", reason, origin };
  const batch = batchEnvelope.safeParse(parseJson(Body)).data;
  return {
    ...common,
    kind: batch ? "batch" : "foreign",
    reason: "the queue gave up on it: the function failed on each delivery (its log says why)",
    origin: batch ? { serverId: batch.serverId, incarnation: batch.incarnation, sequence: batch.first } : {},
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** What a redrive does with a letter. */
export interface Redrive {
  /** From the outbox, which has the row as it was executed; from the letter, as it was sent; or not at all. */
  readonly from: "outbox" | "letter" | "nowhere";
  /** Why it would not be recorded as this version sees it; undefined when it would. */
  readonly problem: string | undefined;
}

/**
 * How a letter would be redriven. A row that the outbox still holds is sent from there, as it was executed: what lies in
 * the letter may have been spoiled on its way.
 * @param held what the servers' outboxes hold, by server id; of a server that did not answer nothing is known
 */
export function planRedrive(letter: Letter, held: ReadonlyMap<string, readonly HeldIncarnation[]>): Redrive {
  const { kind, origin, body } = letter;
  const { serverId = "", incarnation, sequence } = origin;
  if (kind !== "row") return { from: "letter", problem: problemOfBatch(body) };
  if (sequence === undefined) {
    const problem =
      "it does not tell its number; if the row is missing, its outbox sends it by itself: discard the letter";
    return { from: "nowhere", problem };
  }
  const ranges = held.get(serverId)?.find((of) => of.incarnation === incarnation)?.held ?? [];
  if (ranges.some(({ first, last }) => first <= sequence && sequence <= last))
    return { from: "outbox", problem: undefined };
  const row = outboxRow.safeParse(parseJson(body));
  return { from: "letter", problem: row.success ? undefined : problemOf(row.error) };
}

function problemOfBatch(body: string): string | undefined {
  const batch = batchEnvelope.safeParse(parseJson(body));
  return batch.success ? undefined : `not a batch of ours: ${problemOf(batch.error)}`;
}

/**
 * Sends a letter's content again and removes the letter. In this order a crash in between loses nothing: the tombstone
 * goes first, so that what the recorder may write anew stays; the letter goes last.
 */
export async function redriveLetter(sources: DeadLetterSources, letter: Letter, plan: Redrive): Promise<void> {
  const { sqs, document, names } = sources;
  const { serverId, incarnation, sequence } = letter.origin;
  if (plan.from === "nowhere") return;
  if (letter.kind === "row" && serverId && incarnation && sequence !== undefined) {
    await deleteTombstone(document, names.EVENKEEL_EXECUTIONS_TABLE, serverId, incarnation, sequence);
  }
  if (plan.from === "letter") {
    const id = randomUUID();
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: names.EVENKEEL_QUEUE_URL,
        MessageBody: letter.kind === "row" ? batchOfOne(letter) : letter.body,
        MessageGroupId: `redrive#${id}`,
        MessageDeduplicationId: id,
      }),
    );
  }
  await deleteLetter(sources, letter);
}

function batchOfOne({ origin: { serverId, incarnation, sequence }, body }: Letter): string {
  const range = { base: sequence, first: sequence, last: sequence };
  return JSON.stringify({ format: batchFormat, serverId, incarnation, ...range, rows: [parseJson(body) ?? body] });
}

/**
 * Gives a letter up for good: its row is accounted for from now on, with the reason, and so is the letter itself (under
 * `<serverId>#discarded-letters` in table `executions`).
 */
export async function discardLetter(
  sources: DeadLetterSources,
  letter: Letter,
  why: string,
  now: number,
): Promise<void> {
  const { document, names } = sources;
  const { serverId, incarnation, sequence } = letter.origin;
  const table = names.EVENKEEL_EXECUTIONS_TABLE;
  if (letter.kind === "row" && serverId && incarnation && sequence !== undefined) {
    await discardTombstone(document, table, serverId, incarnation, sequence, { why, at: now });
  }
  const { id, kind, reason, origin, failedAt, body } = letter;
  await noteDiscardedLetter(document, table, { id, kind, reason, origin, failedAt, body }, { why, at: now });
  await deleteLetter(sources, letter);
}

async function deleteLetter({ sqs, names }: DeadLetterSources, { receiptHandle }: Letter): Promise<void> {
  await sqs.send(new DeleteMessageCommand({ QueueUrl: names.EVENKEEL_DLQ_URL, ReceiptHandle: receiptHandle }));
}
