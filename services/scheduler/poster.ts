import type { Placement } from "../../core/workload/types.ts";
import type { PlaceResponse } from "../../platform/wire.ts";

/** Sends placements in the background: several requests may be under way, but never two for the same execution. */
export interface Poster {
  /** Takes wishes; a later wish for an execution replaces one that has not been sent. */
  post(placements: readonly Placement[]): void;
  /** Forgets what has not been sent. */
  clear(): void;
}

export interface PosterOptions {
  readonly send: (placements: readonly Placement[]) => Promise<PlaceResponse>;
  /** Told of every answer; `late`: how many of its placements came after the tick they were for. */
  readonly onAnswer: (response: PlaceResponse, late: number) => void;
  /** It is unknown what became of a request with so many placements. What was not sent is forgotten. */
  readonly onFailure: (error: unknown, placements: number) => void;
}

const maxRequests = 4;
/** Within the server's bounds on a request (10,000 placements, 1 MiB with the longest ids). */
const maxPlacements = 4_000;

export function createPoster({ send, onAnswer, onFailure }: PosterOptions): Poster {
  const wishes = new Map<string, number>();
  const underWay = new Map<string, number>();
  let requests = 0;

  function flush(): void {
    while (requests < maxRequests) {
      const batch: Placement[] = [];
      for (const [id, tick] of wishes) {
        if (batch.length === maxPlacements) break;
        if (!underWay.has(id)) batch.push({ id, tick });
      }
      if (batch.length === 0) return;
      void request(batch);
    }
  }

  async function request(batch: readonly Placement[]): Promise<void> {
    requests++;
    for (const { id, tick } of batch) {
      wishes.delete(id);
      underWay.set(id, tick);
    }
    try {
      const response = await send(batch);
      const late = response.results.filter((result) => {
        const wanted = underWay.get(result.id);
        if (wanted === undefined) return false;
        return result.outcome === "gone" || (wanted <= response.tick && (result.tick ?? 0) > wanted);
      });
      onAnswer(response, late.length);
    } catch (error) {
      wishes.clear();
      onFailure(error, batch.length);
    } finally {
      requests--;
      for (const { id } of batch) underWay.delete(id);
    }
    flush();
  }

  return {
    post(placements) {
      for (const { id, tick } of placements) wishes.set(id, tick);
      flush();
    },
    clear: () => wishes.clear(),
  };
}
