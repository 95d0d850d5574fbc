/**
 * Who else steers servers of this deployment. A hint only: it decides which servers a process asks for, and the lease of
 * each server who steers it.
 */
import type { Clock } from "../../platform/clock.ts";
import type { FleetMember } from "../../platform/tables/fleet.ts";

export interface MembershipOptions {
  readonly name: string;
  readonly url: string;
  readonly capacity: number;
  readonly write: (member: FleetMember) => Promise<void>;
  readonly read: () => Promise<readonly FleetMember[]>;
  readonly clock: Pick<Clock, "monotonic">;
  /** A string never used before. */
  readonly nonce: () => string;
}

/** Told with each beat. */
export type Holding = Pick<FleetMember, "holds" | "away" | "leaving">;

export interface Membership {
  readonly name: string;
  /**
   * Tells of this process, and returns who lives, itself among them.
   * @throws when the table does not answer
   */
  beat(holding: Holding): Promise<readonly FleetMember[]>;
  /** As last read. */
  readonly living: readonly FleetMember[];
}

/** Without a new beat for so long a member counts as dead: three beats, so that a server waits for little but its lease. */
export const aliveMs = 1_600;
export const beatMs = 500;

export function createMembership(options: MembershipOptions): Membership {
  const { name, url, capacity, write, read, clock, nonce } = options;
  const seen = new Map<string, { beat: string; at: number }>();
  let living: readonly FleetMember[] = [];
  return {
    name,
    async beat(holding) {
      const own: FleetMember = { name, url, capacity, ...holding, beat: nonce() };
      await write(own);
      const members = await read();
      const now = clock.monotonic();
      for (const { name: other, beat } of members) {
        if (seen.get(other)?.beat !== beat) seen.set(other, { beat, at: now });
      }
      const others = members.filter((member) => {
        const at = seen.get(member.name)?.at ?? now;
        return member.name !== name && !member.leaving && now - at < aliveMs;
      });
      living = holding.leaving ? others : [...others, own];
      return living;
    },
    get living() {
      return living;
    },
  };
}
