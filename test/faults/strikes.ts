/** What some faults need beyond signals and the network. */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { PurgeQueueCommand, SendMessageCommand } from "@aws-sdk/client-sqs";
import { z } from "zod";
import type { ProcessPlan } from "../../local/loop.ts";
import type { World } from "./world.ts";

/** Starts a process of the loop a second time, with other settings. */
export function runRival(plan: ProcessPlan, settings: Readonly<Record<string, string>>) {
  const child: ChildProcess = spawn(plan.command, plan.args, {
    cwd: plan.directory,
    env: { ...plan.environment, ...settings },
    stdio: ["ignore", "ignore", "pipe"],
  });
  let output = "";
  child.stderr?.on("data", (chunk) => {
    output += chunk;
  });
  const exited = once(child, "exit");
  return {
    kill: (name: NodeJS.Signals) => child.kill(name),
    /** Its exit status; null when it had to be killed. */
    async ended(patienceMs: number): Promise<{ code: number | null; output: string }> {
      const late = sleep(patienceMs).then(() => child.kill("SIGKILL"));
      await Promise.race([exited, late]);
      await exited;
      return { code: child.exitCode, output };
    },
  };
}

/** A file-size limit stands for a full disk: writes beyond it fail as those on a full disk do, with an error. */
export function limitFileSize(pid: number, bytes: string): void {
  const { status, stderr } = spawnSync("prlimit", [`--pid=${pid}`, `--fsize=${bytes}:unlimited`], { encoding: "utf8" });
  if (status !== 0 && stderr && !/No such process/.test(stderr)) throw new Error(`prlimit: ${stderr}`);
}

const functionList = z.object({ Functions: z.array(z.object({ FunctionName: z.string() })) });

/** What a deployment of a new version does to functions: their environments are replaced. */
export async function reconfigureFunctions({ environment }: World): Promise<void> {
  const authorization =
    "AWS4-HMAC-SHA256 Credential=evenkeelembedded/20260101/us-east-1/lambda/aws4_request, SignedHeaders=host, Signature=0";
  const base = `${environment.AWS_ENDPOINT_URL}/2015-03-31/functions`;
  const answer = await fetch(base, { headers: { authorization } });
  for (const { FunctionName } of functionList.parse(await answer.json()).Functions) {
    if (!/Record/.test(FunctionName)) continue;
    const body = JSON.stringify({ Description: `version ${randomUUID()}` });
    const changed = await fetch(`${base}/${FunctionName}/configuration`, {
      method: "PUT",
      headers: { authorization },
      body,
    });
    if (!changed.ok) throw new Error(`the function cannot be changed: ${changed.status} ${await changed.text()}`);
  }
}

function send({ aws, names }: World, body: string): Promise<unknown> {
  return aws.sqs.send(
    new SendMessageCommand({
      QueueUrl: names.EVENKEEL_QUEUE_URL,
      MessageBody: body,
      MessageGroupId: randomUUID(),
      MessageDeduplicationId: randomUUID(),
    }),
  );
}

export const sendRaw = {
  send,

  /** Messages that were sent before, some of them long ago, in any order. */
  async again(world: World, random: () => number, count: number): Promise<void> {
    for (let left = Math.min(count, world.sent.length); left > 0; left--) {
      const body = world.sent[Math.floor(random() * world.sent.length)];
      if (body !== undefined) await send(world, body);
    }
  },

  async purge({ aws, names }: World): Promise<void> {
    await aws.sqs.send(new PurgeQueueCommand({ QueueUrl: names.EVENKEEL_QUEUE_URL }));
  },

  /** Of every shape; what claims to be of the server claims numbers that were sent in good order, too. */
  async poison(world: World, random: () => number): Promise<void> {
    const real = world.sent[Math.floor(random() * world.sent.length)];
    const message: Record<string, unknown> = real === undefined ? {} : JSON.parse(real);
    const rows: unknown[] = Array.isArray(message.rows) ? message.rows : [];
    const first = typeof rows[0] === "object" ? rows[0] : {};
    const shapes = [
      "not JSON {",
      "null",
      "[]",
      JSON.stringify({ ...message, format: "evenkeel.batch/9" }),
      JSON.stringify({ ...message, rows: [] }),
      JSON.stringify({ ...message, last: 0 }),
      JSON.stringify({ ...message, base: -1 }),
      JSON.stringify({ ...message, serverId: "a#b" }),
      JSON.stringify({ ...message, extra: true }),
      JSON.stringify({ ...message, rows: [{ ...first, executionId: 7 }] }),
      JSON.stringify({ ...message, rows: [{ ...first, colour: "red" }] }),
      JSON.stringify({ ...message, rows: [{ ...first, type: "other" }] }),
      JSON.stringify({ ...message, rows: [{ ...first, sequence: 999_999_999_999 }] }),
      JSON.stringify({ ...message, rows: [null, 1, "x", []] }),
      JSON.stringify({ ...message, rows: [{ ...first, executedAt: -1 }] }),
      "[".repeat(50_000),
      "x".repeat(200_000),
    ];
    for (let count = 4; count > 0; count--) await send(world, shapes[Math.floor(random() * shapes.length)] ?? "");
  },
};
