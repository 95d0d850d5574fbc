import type { Profile } from "./profiles.ts";

/** An execution that waits. Ticks count from 0 within the epoch. */
export interface Item {
  readonly id: string;
  readonly queryId: string;
  readonly arrivedTick: number;
  /** It starts no later, whatever the plan. */
  latest: number;
  /** Where the server has it. */
  tick: number;
  profile: Profile;
  /** Orders what arrived together at random, so that each second gets a like mix; 0 to 1. */
  readonly lot: number;
}
