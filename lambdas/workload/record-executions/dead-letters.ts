/** Sends to the dead-letter queue what cannot be recorded, as it was, with the reason and where it came from. */
import { createHash } from "node:crypto";
import { SendMessageCommand, type SQSClient } from "@aws-sdk/client-sqs";

export interface DeadLetter {
  readonly body: string;
  readonly reason: string;
  /** Where it came from: the queue message, and for a row its server, incarnation and sequence number. */
  readonly origin: Readonly<Record<string, string | number>>;
  /** Unix ms. */
  readonly failedAt: number;
}

/** Resolves when the queue has the letter; the same of the same message again within five minutes is one. */
export type DeadLetters = (letter: DeadLetter, signal: AbortSignal) => Promise<void>;

export function createDeadLetters(sqs: SQSClient, queueUrl: string): DeadLetters {
  return async ({ body, reason, origin, failedAt }, signal) => {
    const attribute = (value: string) => ({ DataType: "String", StringValue: sendable(value) });
    // With the message's id: a row that is redriven at once and still cannot be recorded is a letter of its own.
    const id = hash(JSON.stringify([body, origin]));
    await sqs.send(
      new SendMessageCommand({
        QueueUrl: queueUrl,
        MessageBody: sendable(body),
        // Order means nothing here, and whoever reads a letter must not hide the others of its group.
        MessageGroupId: id,
        MessageDeduplicationId: id,
        MessageAttributes: {
          reason: attribute(reason),
          origin: attribute(JSON.stringify(origin)),
          failedAt: attribute(new Date(failedAt).toISOString()),
        },
      }),
      { abortSignal: signal },
    );
  };
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

/** SQS refuses characters that XML does not allow: they are written as JSON would escape them. */
function sendable(text: string): string {
  return text.toWellFormed().replaceAll(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the ones to replace.
    /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
