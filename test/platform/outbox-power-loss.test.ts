import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import type { Outbox } from "../../platform/outbox.ts";
import { closeFile, loadFile } from "../../platform/outbox-file.ts";
import { createRandom } from "../../sim-server/database/random.ts";
import { crashImage, type Policy, readFiles, type Step, writeFiles } from "../support/crash-images.ts";
import { countingUuid, execution, executions, heldRows, openTestOutbox } from "../support/outbox.ts";
import { size } from "../support/size.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

/** A life of an outbox, call by call: rows of many sizes, receipts taken and given back, clean ends and new starts. */
function live(directory: string): Step[] {
  const steps: Step[] = [];
  let acknowledged = 0;
  const step = (call: () => void) => {
    call();
    steps.push({ files: readFiles(directory), acknowledged });
  };
  const append = (outbox: Outbox, count: number) =>
    step(() => {
      acknowledged = outbox.append(executions(count, acknowledged + 1)).last;
    });
  for (let run = 0; run < 3; run++) {
    let outbox: Outbox | undefined;
    step(() => {
      outbox = openTestOutbox(directory, { uuid: countingUuid() });
    });
    if (!outbox) throw new TypeError("not open");
    const open = outbox;
    step(() => open.compared());
    for (const count of [1, 3, 60, 1, 2]) append(open, count);
    step(() => open.confirm([{ first: 1, last: acknowledged - 5 }]));
    append(open, 20);
    step(() => open.retract([{ first: 2, last: 3 }]));
    append(open, 2);
    step(() => open.close());
  }
  return steps;
}

/** Acknowledged rows that are not in the image as they were, under their number; and what else is wrong with it. */
function inspect(directory: string, acknowledged: number): { lost: number; wrong: string[] } {
  const wrong: string[] = [];
  const outbox = openTestOutbox(directory, { uuid: countingUuid(9) });
  const rows = new Map(heldRows(outbox).map(({ position, body }) => [position, body]));
  let lost = 0;
  for (let row = 1; row <= acknowledged; row++) if (rows.get(row) !== JSON.stringify(execution(row))) lost++;
  for (const [position, body] of rows) {
    if (body !== JSON.stringify(execution(position))) wrong.push(`row ${position} is not as it was written`);
  }
  const [span] = outbox.spans();
  const next = outbox.append([execution(rows.size + 1)]);
  if (next.incarnation === span?.incarnation && next.first <= acknowledged) wrong.push(`${next.first} is given twice`);
  if (readdirSync(directory).some((name) => name.includes(".damaged-"))) wrong.push("taken for damaged");
  outbox.close();
  return { lost, wrong };
}

function crash(steps: readonly Step[], policy: Policy, images: number) {
  const random = createRandom(20_261_121);
  let lost = 0;
  const wrong = new Set<string>();
  for (let image = 0; image < images; image++) {
    using directory = temporaryDirectory();
    const at = 1 + Math.floor(random.uniform() * (steps.length - 1));
    writeFiles(
      directory.path,
      crashImage(steps, at, policy, () => random.uniform()),
    );
    const found = inspect(directory.path, steps[at - 1]?.acknowledged ?? 0);
    lost += found.lost;
    for (const what of found.wrong) wrong.add(`${what}: power lost in step ${at}`);
  }
  return { lost, wrong: [...wrong] };
}

describe("a power loss", () => {
  const images = size({ slice: 500, full: 100_000 });
  const timeoutMs = size({ slice: 60_000, full: 7_200_000 });

  it(
    "takes no row that was acknowledged, whatever part of the unsynced writes came to the disk",
    () => {
      using directory = temporaryDirectory();
      expect(crash(live(directory.path), "FULL", images)).toEqual({ lost: 0, wrong: [] });
    },
    timeoutMs,
  );

  it("would with synchronous=NORMAL", () => {
    using directory = temporaryDirectory();
    expect(crash(live(directory.path), "NORMAL", 100).lost).toBeGreaterThan(100);
  }, 60_000);

  it("finds synchronous=FULL in force, which these images take for granted", () => {
    using directory = temporaryDirectory();
    const loaded = loadFile(join(directory.path, "outbox.sqlite"), "s", countingUuid());
    expect(loaded.db.prepare("PRAGMA synchronous").get()).toEqual({ synchronous: 2 });
    expect(loaded.db.prepare("PRAGMA journal_mode").get()).toEqual({ journal_mode: "wal" });
    closeFile(loaded);
  });

  const strace = ["/usr/bin/strace", "/bin/strace"].find((path) => existsSync(path));
  (strace ? it : it.skip)(
    "finds the log synced between its last write and the end of each append (needs strace)",
    () => {
      using directory = temporaryDirectory();
      const trace = join(directory.path, "trace");
      const source = `
      import { writeSync } from "node:fs";
      import { openTestOutbox, executions } from ${JSON.stringify(new URL("../support/outbox.ts", import.meta.url).href)};
      const outbox = openTestOutbox(${JSON.stringify(directory.path)});
      for (let tick = 1; tick <= 20; tick++) { outbox.append(executions(tick)); writeSync(1, "acknowledged\\n"); }`;
      const args = ["-f", "-y", "-e", "trace=pwrite64,fsync,fdatasync,write", "-o", trace, process.execPath];
      spawnSync(strace ?? "", [...args, "--input-type=module", "-e", source]);
      let unsynced = 0;
      let acknowledged = 0;
      let syncs = 0;
      for (const line of readFileSync(trace, "utf8").split("\n")) {
        if (/pwrite64\(\d+<[^>]*-wal>/.test(line)) unsynced++;
        else if (/f(data)?sync\(\d+<[^>]*-wal>/.test(line)) {
          unsynced = 0;
          syncs++;
        } else if (line.includes('"acknowledged')) {
          acknowledged++;
          expect(unsynced).toBe(0);
        }
      }
      expect(acknowledged).toBe(20);
      expect(syncs).toBeGreaterThanOrEqual(20);
    },
    60_000,
  );
});
