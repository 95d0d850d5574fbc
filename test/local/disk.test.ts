import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "@jest/globals";
import { assertDiskSpace } from "../../local/disk.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

describe("the check of the disk", () => {
  it("asks for room when less than 500 MB are free", () => {
    using place = temporaryDirectory();
    const nearlyFull = () => ({ bavail: 122_070, bsize: 4_096 });
    expect(() => assertDiskSpace(place.path, nearlyFull)).toThrow(/^only 499 MB are free on the disk of .*: make room/);
    const enough = () => ({ bavail: 122_071, bsize: 4_096 });
    expect(() => assertDiskSpace(place.path, enough)).not.toThrow();
  });

  it("says that a directory cannot be made", () => {
    using place = temporaryDirectory();
    writeFileSync(join(place.path, "file"), "");
    expect(() => assertDiskSpace(join(place.path, "file", "below"))).toThrow(/^cannot write to .*ENOTDIR.*--directory/);
  });
});
