import type { Command } from "commander";
import { LocalError } from "../local/errors.ts";
import { createDocument, createSqs } from "../platform/aws.ts";
import {
  type DeadLetterSources,
  discardLetter,
  type Letter,
  planRedrive,
  type Redrive,
  redriveLetter,
  withDeadLetters,
} from "../platform/dead-letters.ts";
import { describeError } from "../platform/log.ts";
import type { HeldIncarnation } from "../platform/wire.ts";
import { type Connection, connect, serverClient } from "./connection.ts";
import { type ExitStatus, exitStatus } from "./errors.ts";
import { formatAge, formatTable, print, printJson } from "./format.ts";
import { parseCount } from "./options.ts";

interface Choice {
  readonly all?: boolean;
  readonly limit: number;
  readonly json: boolean;
}

const help = `
A letter is a row that could not be recorded, a batch that the function crashed on, or a message that is not ours.
Mend the cause first (docs/runbook.md#dead-letters), then redrive: a row that its server's outbox still holds is sent
from there, any other from the letter. 'evenkeel audit' then tells whether anything is still missing.`;

export function addDlq(program: Command, run: (action: Promise<ExitStatus>) => Promise<void>): void {
  const dlq = program.command("dlq").description("what could not be recorded: look at it, send it again, give it up");
  dlq.addHelpText("after", help);
  const directory = () => program.opts<{ directory: string }>().directory;
  const command = (name: string, description: string) =>
    dlq
      .command(name)
      .description(description)
      .option("--limit <number>", "look at so many letters at most", parseCount, 10_000)
      .option("--json", "JSON", false);
  command("list", "one line a letter; exit status 1 when there is any").action((options: Choice) =>
    run(withSources(directory(), (sources) => list(sources, options))),
  );
  command("show", "all of a letter")
    .argument("<id>", "its id, or how it begins")
    .action((id: string, options: Choice) => run(withSources(directory(), (sources) => show(sources, id, options))));
  command("redrive", "send letters again, all or those named")
    .argument("[id...]", "their ids, or how they begin")
    .option("--dry-run", "only say what would be done", false)
    .action((ids: string[], options: Choice & { dryRun: boolean }) =>
      run(withSources(directory(), (sources, connection) => redrive(sources, connection, ids, options))),
    );
  command("discard", "give letters up for good: their rows count as accounted for")
    .argument("[id...]", "their ids, or how they begin")
    .option("--all", "every letter", false)
    .requiredOption("--why <text>", "the reason, kept beside it")
    .action((ids: string[], options: Choice & { why: string }) =>
      run(withSources(directory(), (sources) => discard(sources, ids, options))),
    );
}

async function withSources(
  directory: string,
  use: (sources: DeadLetterSources, connection: Connection) => Promise<ExitStatus>,
): Promise<ExitStatus> {
  const connection = connect(directory);
  const sources = {
    sqs: createSqs(connection.aws),
    document: createDocument(connection.aws),
    names: connection.names,
  };
  try {
    return await use(sources, connection);
  } finally {
    sources.sqs.destroy();
    sources.document.destroy();
  }
}

async function list(sources: DeadLetterSources, { limit, json }: Choice): Promise<ExitStatus> {
  const letters = await withDeadLetters(sources, limit, async (found) => found);
  if (json) printJson(letters.map(told));
  else if (letters.length === 0) print("no dead letters");
  else {
    const rows = letters.map((letter) => [
      letter.id.slice(0, 8),
      formatAge(letter.failedAt, Date.now()),
      letter.kind,
      letter.origin.serverId ?? "-",
      letter.origin.sequence ?? "-",
      letter.reason.slice(0, 80),
    ]);
    print(formatTable(["letter", "failed", "what", "server", "row", "reason"], rows));
  }
  return letters.length === 0 ? exitStatus.ok : exitStatus.no;
}

async function show(sources: DeadLetterSources, id: string, { limit, json }: Choice): Promise<ExitStatus> {
  const [letter] = await withDeadLetters(sources, limit, async (letters) => chosen(letters, [id]));
  if (!letter) return exitStatus.no;
  if (json) printJson(told(letter));
  else {
    const { serverId = "-", incarnation = "-", sequence = "-", messageId = "-" } = letter.origin;
    print(
      formatTable(
        ["", ""],
        [
          ["letter", letter.id],
          ["what", letter.kind],
          ["reason", letter.reason],
          ["failed", new Date(letter.failedAt).toISOString()],
          ["server", serverId],
          ["outbox", incarnation],
          ["row", String(sequence)],
          ["message", messageId],
        ],
      ).trim(),
    );
    print(`\n${letter.body}`);
  }
  return exitStatus.ok;
}

async function redrive(
  sources: DeadLetterSources,
  connection: Connection,
  ids: readonly string[],
  { limit, json, dryRun }: Choice & { readonly dryRun: boolean },
): Promise<ExitStatus> {
  return withDeadLetters(sources, limit, async (letters) => {
    const picked = ids.length === 0 ? letters : chosen(letters, ids);
    const held = picked.some(({ kind }) => kind === "row") ? await heldRows(connection) : new Map();
    let left = 0;
    const results = [];
    for (const letter of picked) {
      const plan = planRedrive(letter, held);
      if (plan.from === "nowhere") left++;
      else if (!dryRun) await redriveLetter(sources, letter, plan);
      results.push({ ...told(letter), ...plan });
      if (!json) print(`${letter.id.slice(0, 8)}  ${wordsFor(plan, dryRun)}`);
    }
    if (json) printJson(results);
    else if (picked.length === 0) print("no dead letters");
    else if (!dryRun)
      print("'evenkeel audit' tells when they are recorded; what still cannot be comes back as a letter");
    return left === 0 ? exitStatus.ok : exitStatus.no;
  });
}

function wordsFor({ from, problem }: Redrive, dryRun: boolean): string {
  if (from === "nowhere") return `left: ${problem}`;
  const what = `${dryRun ? "would be" : "is"} sent again from the ${from}`;
  return problem ? `${what}, and by this version's rules comes back: ${problem}` : what;
}

/** What the outbox of the server at hand holds. It must answer: a letter may be a spoiled copy of what is there. */
async function heldRows(connection: Connection): Promise<ReadonlyMap<string, readonly HeldIncarnation[]>> {
  try {
    const { serverId, outbox } = await serverClient(connection).server();
    return new Map([[serverId, outbox.incarnations ?? []]]);
  } catch (cause) {
    const why = describeError(cause);
    throw new LocalError(`nothing was redriven, for the server cannot say which rows it still holds: ${why}`, {
      cause,
    });
  }
}

async function discard(
  sources: DeadLetterSources,
  ids: readonly string[],
  { all = false, limit, json, why }: Choice & { readonly why: string },
): Promise<ExitStatus> {
  if (all === ids.length > 0) throw new LocalError("name the letters to discard, or say --all");
  if (why.trim() === "") throw new LocalError("--why: say why these are given up");
  return withDeadLetters(sources, limit, async (letters) => {
    const picked = all ? letters : chosen(letters, ids);
    for (const letter of picked) {
      await discardLetter(sources, letter, why, Date.now());
      if (!json) print(`${letter.id.slice(0, 8)}  discarded`);
    }
    if (json) printJson(picked.map(told));
    return exitStatus.ok;
  });
}

function chosen(letters: readonly Letter[], ids: readonly string[]): Letter[] {
  return ids.map((id) => {
    const [letter, ...others] = letters.filter((candidate) => candidate.id.startsWith(id));
    if (!letter) throw new LocalError(`${id}: there is no such letter ('evenkeel dlq list' shows them)`);
    if (others.length > 0) throw new LocalError(`${id}: ${others.length + 1} letters begin so`);
    return letter;
  });
}

function told({ receiptHandle: _, failedAt, ...letter }: Letter) {
  return { ...letter, failedAt: new Date(failedAt).toISOString() };
}
