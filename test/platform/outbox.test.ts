import { spawnSync } from "node:child_process";
import {
  closeSync,
  copyFileSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "@jest/globals";
import { maxRowBytes } from "../../platform/outbox-row.ts";
import { OutboxDamaged, OutboxError, OutboxFull } from "../../platform/outbox-sqlite.ts";
import { FakeClock } from "../support/clock.ts";
import { countingUuid, execution, executions, heldRows, openTestOutbox } from "../support/outbox.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const everything = { first: 1, last: 1_000_000 };
const hourMs = 3_600_000;

describe("append", () => {
  it("numbers rows from 1 and goes on after a restart", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path);
    expect(outbox.append(executions(3))).toMatchObject({ first: 1, last: 3 });
    expect(outbox.append([execution(4)])).toMatchObject({ first: 4, last: 4 });
    const { incarnation } = outbox.state();
    outbox.close();
    const again = openTestOutbox(directory.path, { uuid: countingUuid(9) });
    expect(again.append([execution(5)])).toEqual({ incarnation, first: 5, last: 5, gaps: 0 });
    expect(heldRows(again).map(({ body }) => JSON.parse(body))).toEqual(executions(5));
    again.close();
  });

  it("never gives a number twice, though everything was trimmed; a table without AUTOINCREMENT does", () => {
    using directory = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(directory.path, { clock, retentionMs: 0 });
    outbox.append(executions(3));
    outbox.confirm([{ first: 1, last: 3 }]);
    expect(outbox.trim()).toBe(3);
    outbox.close();
    const again = openTestOutbox(directory.path, { clock });
    expect(again.append([execution(4)])).toMatchObject({ first: 4, last: 4 });
    again.close();

    const planted = new DatabaseSync(":memory:");
    planted.exec("CREATE TABLE rows (position INTEGER PRIMARY KEY); INSERT INTO rows VALUES (3); DELETE FROM rows");
    expect(planted.prepare("INSERT INTO rows VALUES (NULL) RETURNING position").get()).toMatchObject({ position: 1 });
  });

  it("takes all rows or none: one that is too large for a message leaves no trace", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path);
    const huge = { type: "gap", epoch: "e", from: 1, to: 2, reason: "x".repeat(maxRowBytes) } as const;
    expect(() => outbox.append([execution(1), huge])).toThrow("a gap row of");
    expect(outbox.append([execution(2)])).toMatchObject({ first: 1, last: 1 });
    expect(outbox.state()).toMatchObject({ lastSequence: 1, waiting: 1 });
    outbox.close();
  });
});

describe("what counts as recorded", () => {
  it("is what adjoining receipts cover, never the greatest number seen", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path);
    outbox.append(executions(10));
    outbox.confirm([{ first: 8, last: 10 }]);
    expect(outbox.state()).toMatchObject({ recordedThrough: 0, waiting: 7 });
    outbox.confirm([{ first: 1, last: 4 }]);
    expect(outbox.state()).toMatchObject({ recordedThrough: 4, waiting: 3 });
    expect(outbox.unsettled()).toEqual([{ first: 5, last: 7 }]);
    outbox.confirm([{ first: 3, last: 9 }]);
    expect(outbox.state()).toMatchObject({ recordedThrough: 10, waiting: 0 });
    outbox.close();
  });

  it("survives a restart, and goes back when receipts are gone", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path);
    outbox.append(executions(10));
    outbox.confirm([{ first: 1, last: 9 }]);
    outbox.retract([{ first: 4, last: 5 }]);
    outbox.close();
    const again = openTestOutbox(directory.path);
    expect(again.unsettled()).toEqual([
      { first: 4, last: 5 },
      { first: 10, last: 10 },
    ]);
    expect(again.recordedAndHeld(everything)).toEqual([
      { first: 1, last: 3 },
      { first: 6, last: 9 },
    ]);
    again.close();
  });
});

describe("retention", () => {
  it("keeps recorded rows 24 hours, and rows that wait without a limit", async () => {
    using directory = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(directory.path, { clock });
    outbox.append(executions(4));
    outbox.confirm([{ first: 1, last: 2 }]);
    await clock.advance(23 * hourMs);
    outbox.confirm([{ first: 4, last: 4 }]);
    expect(outbox.trim()).toBe(0);
    await clock.advance(hourMs);
    expect(outbox.trim()).toBe(2);
    expect(outbox.firstHeld()).toBe(3);
    await clock.advance(1_000 * hourMs);
    expect(outbox.trim()).toBe(1);
    expect(heldRows(outbox).map(({ position }) => position)).toEqual([3]);
    expect(outbox.state()).toMatchObject({ recordedThrough: 2, waiting: 1 });
    outbox.close();
  });

  it("is not shortened by a wall clock that jumps; by wall time alone it would be", async () => {
    using directory = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(directory.path, { clock });
    outbox.append(executions(1));
    outbox.confirm([{ first: 1, last: 1 }]);
    clock.setWall(clock.now() + 48 * hourMs);
    expect(outbox.trim()).toBe(0);
    outbox.close();
    clock.setWall(clock.now() - 96 * hourMs);
    const again = openTestOutbox(directory.path, { clock });
    expect(again.trim()).toBe(0);
    await clock.advance(24 * hourMs);
    expect(again.trim()).toBe(1);
    again.close();
  });

  it("counts the time between two runs", () => {
    using directory = temporaryDirectory();
    const clock = new FakeClock();
    const outbox = openTestOutbox(directory.path, { clock });
    outbox.append(executions(1));
    outbox.confirm([{ first: 1, last: 1 }]);
    outbox.close();
    clock.setWall(clock.now() + 24 * hourMs);
    const again = openTestOutbox(directory.path, { clock });
    expect(again.trim()).toBe(1);
    again.close();
  });
});

describe("the disk bound", () => {
  it("gives up recorded rows first, then refuses new ones, and goes on once there is room", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path, { diskBoundBytes: 300_000 });
    let appended = 0;
    const fill = () => {
      for (;;) appended = outbox.append(executions(20)).last;
    };
    expect(fill).toThrow(OutboxFull);
    const first = appended;
    expect(outbox.state().bytes).toBeLessThan(310_000);
    outbox.confirm([{ first: 1, last: first - 100 }]);
    expect(fill).toThrow(OutboxFull);
    expect(appended).toBeGreaterThan(1.5 * first);
    expect(outbox.unsettled()[0]?.first).toBe(first - 99);
    expect(outbox.read({ first: first - 99, last: appended }, 1e9)).toHaveLength(appended - first + 100);
    outbox.close();
  });
});

describe("ownership", () => {
  it("refuses a second owner in one line, another process as well as this one", () => {
    using directory = temporaryDirectory();
    const outbox = openTestOutbox(directory.path);
    const message = /outbox.sqlite belongs to another running process: stop that one, or use another directory/;
    expect(() => openTestOutbox(directory.path)).toThrow(message);
    const source = `
      import { openOutbox } from ${JSON.stringify(new URL("../../platform/outbox.ts", import.meta.url).href)};
      const file = ${JSON.stringify(join(directory.path, "outbox.sqlite"))};
      try { openOutbox({ file, serverId: "s", diskBoundBytes: 1e9, clock: { now: Date.now, monotonic: Date.now } }); }
      catch (error) { console.log(error.message); }`;
    const other = spawnSync(process.execPath, ["--input-type=module", "-e", source], { encoding: "utf8" });
    expect(other.stdout).toMatch(message);
    expect(other.stdout.trim().split("\n")).toHaveLength(1);
    outbox.close();
    openTestOutbox(directory.path).close();
  });

  it("refuses the outbox of another server, and one of an unknown format", () => {
    using directory = temporaryDirectory();
    openTestOutbox(directory.path).close();
    expect(() => openTestOutbox(directory.path, { serverId: "t" })).toThrow("is the outbox of server s, not of t");
    const file = new DatabaseSync(join(directory.path, "outbox.sqlite"));
    file.exec("PRAGMA user_version = 7");
    file.close();
    expect(() => openTestOutbox(directory.path)).toThrow("has format 7");
    expect(() => openTestOutbox(join(directory.path, "nowhere"))).toThrow(OutboxError);
  });
});

describe("a lost tail", () => {
  it("gets new numbers under a new incarnation, and is told as a gap", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const before = openTestOutbox(directory.path, { uuid });
    before.compared();
    before.append(executions(3));
    before.close();
    const outbox = openTestOutbox(directory.path, { uuid });
    const [old] = outbox.spans();
    outbox.append(executions(2, 4));
    outbox.reincarnate("tail lost");
    expect(outbox.spans()).toEqual([
      { ...old, first: 1, last: 3 },
      { incarnation: outbox.state().incarnation, first: 4, last: 5 },
    ]);
    expect(outbox.state().incarnation).not.toBe(old?.incarnation);
    expect(outbox.append([execution(6)])).toMatchObject({ first: 3, last: 3 });
    const last = outbox.read({ first: 7, last: 7 }, 1e6).map(({ body }) => JSON.parse(body));
    expect(last).toMatchObject([{ type: "gap", reason: "tail lost", epoch: "e" }]);
    outbox.close();
  });
});

describe("a write-ahead log that was cut off", () => {
  it("is a loss that is counted and told, though SQLite itself finds nothing wrong", () => {
    using directory = temporaryDirectory();
    using copies = temporaryDirectory();
    const uuid = countingUuid();
    const clock = new FakeClock();
    const outbox = openTestOutbox(directory.path, { uuid, clock });
    outbox.compared();
    outbox.append(executions(3));
    // What a kill leaves behind, with the log's last frames torn off.
    const names = ["outbox.sqlite", "outbox.sqlite-wal"];
    const early = names.map((name) => readFileSync(join(directory.path, name)));
    for (let row = 4; row <= 8; row++) outbox.append([execution(row)]);
    for (const [index, name] of names.entries()) writeFileSync(join(copies.path, name), early[index] ?? "");
    copyFileSync(join(directory.path, "outbox.sqlite.mark"), join(copies.path, "outbox.sqlite.mark"));
    const before = outbox.state();
    outbox.close();

    const torn = openTestOutbox(copies.path, { uuid, clock });
    expect(torn.state().incarnation).not.toBe(before.incarnation);
    expect(torn.append([execution(9)])).toMatchObject({ first: 1, last: 1 });
    const [, gap] = torn.read({ first: 4, last: 5 }, 1e6).map(({ body }) => JSON.parse(body));
    expect(gap).toMatchObject({ type: "gap", from: 1_103, reason: "5 rows at the end of the outbox file are gone" });
    torn.close();
    const again = openTestOutbox(copies.path, { uuid, clock });
    expect(again.spans()).toHaveLength(2);
    again.close();
  });
});

describe("a lost tail that leaves no row of its incarnation", () => {
  it("gets a new incarnation, too: the table may hold the numbers of the old one", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const outbox = openTestOutbox(directory.path, { uuid });
    outbox.compared();
    const { incarnation } = outbox.append(executions(3));
    outbox.close();
    const file = new DatabaseSync(join(directory.path, "outbox.sqlite"));
    file.exec("DELETE FROM rows; DELETE FROM sqlite_sequence");
    file.close();
    const torn = openTestOutbox(directory.path, { uuid });
    expect(torn.append([execution(4)])).toMatchObject({ first: 1, last: 1 });
    expect(torn.spans()).toEqual([{ incarnation: torn.state().incarnation, first: 1, last: 2 }]);
    expect(torn.state().incarnation).not.toBe(incarnation);
    torn.close();
  });

  it("is still looked for after a restart that came before the table was asked", () => {
    using directory = temporaryDirectory();
    const open = () => openTestOutbox(directory.path, { uuid: countingUuid(3) });
    const first = open();
    first.append(executions(2));
    first.close();
    const second = open();
    expect(second.openedBefore).toBe(1);
    second.compared();
    second.append([execution(3)]);
    second.close();
    const third = open();
    expect(third.openedBefore).toBe(4);
    third.close();
  });
});

describe("a damaged file", () => {
  /** Overwrites `length` bytes at `at`. */
  function scribble(file: string, at: number, length: number): void {
    const fd = openSync(file, "r+");
    writeSync(fd, Buffer.alloc(length, 0xa5), 0, length, at);
    closeSync(fd);
  }

  function filled(directory: string, uuid: () => string): { incarnation: string; file: string } {
    const outbox = openTestOutbox(directory, { uuid });
    for (let row = 1; row <= 200; row += 20) outbox.append(executions(20, row));
    outbox.confirm([{ first: 1, last: 50 }]);
    const { incarnation } = outbox.state();
    outbox.close();
    return { incarnation, file: join(directory, "outbox.sqlite") };
  }

  it("keeps every whole row under its old number, counts the lost, and begins a new incarnation", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const { incarnation, file } = filled(directory.path, uuid);
    const pages = statSync(file).size / 4_096;
    scribble(file, (pages - 3) * 4_096 + 100, 4_096);
    const outbox = openTestOutbox(directory.path, { uuid });
    const [old, current] = outbox.spans();
    expect(old).toEqual({ incarnation, first: 1, last: 200 });
    expect(current).toEqual({ incarnation: outbox.state().incarnation, first: 201, last: 200 });
    const kept = heldRows(outbox);
    expect(kept.length).toBeGreaterThan(130);
    expect(kept.length).toBeLessThan(200);
    for (const { position, body } of kept) expect(JSON.parse(body)).toEqual(execution(position));
    const waiting = outbox.unsettled().flatMap(({ first, last }) => last - first + 1);
    expect(waiting.reduce((sum, rows) => sum + rows, 0)).toBe(kept.filter(({ position }) => position > 50).length);
    expect(outbox.append([execution(201)])).toMatchObject({ first: 1, last: 1 });
    const told = outbox.read({ first: 202, last: 202 }, 1e6).map(({ body }) => JSON.parse(body));
    expect(told).toMatchObject([
      { type: "gap", reason: `the outbox file was damaged: ${200 - kept.length} rows known to be lost` },
    ]);
    expect(readdirSync(directory.path).filter((name) => name.includes(".damaged-"))).toHaveLength(1);
    outbox.close();
    const again = openTestOutbox(directory.path, { uuid });
    expect(again.state().incarnation).toBe(current?.incarnation);
    again.close();
  });

  it("begins anew when nothing can be read", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const { incarnation, file } = filled(directory.path, uuid);
    scribble(file, 0, statSync(file).size);
    const outbox = openTestOutbox(directory.path, { uuid });
    expect(outbox.state()).toMatchObject({ lastSequence: 0, waiting: 0 });
    expect(outbox.state().incarnation).not.toBe(incarnation);
    outbox.append([execution(1)]);
    expect(heldRows(outbox)).toHaveLength(2);
    outbox.close();
  });

  it("is noticed by a single flipped byte in a row that waits; without checksums it would be sent", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const { file } = filled(directory.path, uuid);
    const database = new DatabaseSync(file);
    database.exec("UPDATE rows SET body = replace(body, 'x120', 'x121') WHERE position = 120");
    expect(database.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" });
    database.close();
    const outbox = openTestOutbox(directory.path, { uuid });
    expect(
      heldRows(outbox)
        .map(({ position }) => position)
        .slice(118, 120),
    ).toEqual([119, 121]);
    expect(outbox.unsettled()).toEqual([
      { first: 51, last: 119 },
      { first: 121, last: 200 },
    ]);
    outbox.close();
  });

  it("is repaired while it is open, too: what was asked for is refused, the next call works", () => {
    using directory = temporaryDirectory();
    const uuid = countingUuid();
    const { file } = filled(directory.path, uuid);
    const outbox = openTestOutbox(directory.path, { uuid });
    // Rows 1 to 50 are recorded: they are not looked at before they are needed.
    scribble(file, Math.floor(readFileSync(file).lastIndexOf('"x10"') / 4_096) * 4_096 + 8, 4_000);
    outbox.retract([{ first: 1, last: 50 }]);
    expect(() => heldRows(outbox)).toThrow(OutboxDamaged);
    const rows = heldRows(outbox);
    for (const { position, body } of rows) expect(JSON.parse(body)).toEqual(execution(position));
    expect(rows.length).toBeLessThan(200);
    expect(outbox.append([execution(201)])).toMatchObject({ first: 1, last: 1 });
    outbox.close();
  });
});
