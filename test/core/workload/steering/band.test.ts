import { describe, expect, it } from "@jest/globals";
import { averageOf, bandAround, contains, inBand } from "../../../../core/workload/steering/band.ts";

describe("the band around a window's average", () => {
  it("is judged by the floored average, as the server reports it", () => {
    // Mean 42.5, floored 42: from 37.8 to 46.2.
    expect(
      inBand(
        [
          [38, 50, 50],
          [47, 50, 50],
        ],
        0.1,
      ),
    ).toBe(false);
    expect(
      inBand(
        [
          [39, 50, 50],
          [46, 50, 50],
        ],
        0.1,
      ),
    ).toBe(true);
  });

  it("holds for every resource", () => {
    expect(
      inBand(
        [
          [50, 50, 45],
          [50, 50, 57],
        ],
        0.1,
      ),
    ).toBe(false);
    expect(
      inBand(
        [
          [50, 50, 50],
          [50, 50, 52],
        ],
        0.1,
      ),
    ).toBe(true);
  });

  it("includes its edges", () => {
    expect(contains(bandAround([50, 50, 50], 0.1), [45, 55, 50])).toBe(true);
    expect(contains(bandAround([50, 50, 50], 0.1), [44, 55, 50])).toBe(false);
  });

  it("averages each resource by itself", () => {
    expect(
      averageOf([
        [1, 2, 3],
        [3, 6, 9],
      ]),
    ).toEqual([2, 4, 6]);
  });
});
