import { uniformFloat64 } from "pure-rand/distribution/uniformFloat64";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";
import { skipN } from "pure-rand/utils/skipN";

/** Seeded draws: equal seeds give equal sequences. */
export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  exponential(): number;
  normal(): number;
  /** A UUID of version 4 form. */
  uuid(): string;
}

export function createRandom(seed: number): Random {
  const generator = xoroshiro128plus(seed);
  // A small seed leaves most of the 128 bits of state at zero: the first draws are not yet random.
  skipN(generator, 64);
  const uniform = () => uniformFloat64(generator);
  const hex = (digits: number) =>
    uniformInt(generator, 0, 16 ** digits - 1)
      .toString(16)
      .padStart(digits, "0");
  return {
    uniform,
    exponential: () => -Math.log(1 - uniform()),
    // Box and Muller, A Note on the Generation of Random Normal Deviates (1958).
    normal: () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()),
    uuid: () =>
      `${hex(8)}-${hex(4)}-4${hex(3)}-${(uniformInt(generator, 8, 11)).toString(16)}${hex(3)}-${hex(6)}${hex(6)}`,
  };
}
