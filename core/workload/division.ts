/** Which process of a fleet steers which server: the same answer in every process that knows the same of the fleet. */

export interface Member {
  readonly name: string;
  /** Servers that it takes at most. */
  readonly capacity: number;
}

export interface Division {
  /** Server → name of the member that is to steer it. */
  readonly of: ReadonlyMap<string, string>;
  /** For which no member has room. */
  readonly left: readonly string[];
}

/**
 * Rendezvous hashing with bounded loads: a server goes to the member that ranks highest for it and has room. Nobody takes
 * more than an even share of what is to be divided, nor than his capacity; so one that joins takes its share from all,
 * and what one leaves goes to all.
 *
 * Sources: D. Thaler, C. Ravishankar, "Using name-based mappings to increase hit rates" (1998); V. Mirrokni, M. Thorup,
 * M. Zadimoghaddam, "Consistent hashing with bounded loads" (2018).
 */
export function divide(servers: readonly string[], members: readonly Member[]): Division {
  const most = evenShare(
    servers.length,
    members.map(({ capacity }) => capacity),
  );
  const room = new Map(members.map(({ name, capacity }) => [name, Math.min(capacity, most)]));
  const of = new Map<string, string>();
  const left: string[] = [];
  // Neither by name nor by age: whoever is left over when there is no room should not always be the same kind.
  const ordered = servers.map((server) => ({ server, at: hash(server) }));
  ordered.sort((a, b) => a.at - b.at || (a.server < b.server ? -1 : 1));
  for (const { server } of ordered) {
    const ranked = members
      .filter(({ name }) => (room.get(name) ?? 0) > 0)
      .map(({ name }) => ({ name, rank: hash(`${name} ${server}`) }))
      .sort((a, b) => b.rank - a.rank || (a.name < b.name ? -1 : 1));
    const [first] = ranked;
    if (first) {
      of.set(server, first.name);
      room.set(first.name, (room.get(first.name) ?? 0) - 1);
    } else left.push(server);
  }
  return { of, left };
}

/** The smallest number that, taken by everyone up to his capacity, is enough for all servers; else the largest capacity. */
function evenShare(servers: number, capacities: readonly number[]): number {
  let rest = servers;
  let takers = capacities.length;
  for (const capacity of capacities.toSorted((a, b) => a - b)) {
    if (capacity * takers >= rest) return Math.ceil(rest / takers);
    rest -= capacity;
    takers--;
  }
  return Math.max(0, ...capacities);
}

/** FNV-1a over UTF-16 units, then mixed (MurmurHash3's finaliser), for names differ in their last letters only. 32 bits. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
