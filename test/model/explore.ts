import type { Protocol } from "./protocol.ts";
import { brokenInvariant, brokenPromise, initialState, type Move, type State } from "./state.ts";

export interface Exploration {
  readonly states: number;
  /** Whether every state within the bounds was seen. */
  readonly complete: boolean;
  /** The shortest way to what must not be; undefined when there is none. */
  readonly counterexample: { readonly broken: string; readonly moves: readonly string[] } | undefined;
}

/** Breadth first over all interleavings, up to `limit` states; each is checked as it is, and once healed. */
export function explore(protocol: Protocol, limit: number): Exploration {
  const first = JSON.stringify(initialState(protocol.bounds));
  const numbers = new Map([[first, 0]]);
  const states = [first];
  const came: { readonly from: number; readonly by: string }[] = [{ from: -1, by: "" }];
  const wayTo = (from: number, ...last: string[]): string[] => {
    const moves = last;
    for (let at = from; at > 0; at = came[at]?.from ?? 0) moves.unshift(came[at]?.by ?? "");
    return moves;
  };
  for (let at = 0; at < states.length; at++) {
    const state: State = JSON.parse(states[at] ?? "");
    const next: Move[] = protocol.moves(state);
    for (const move of next) {
      const text = JSON.stringify(move.state);
      if (numbers.has(text)) continue;
      const broken = brokenInvariant(move.state) ?? brokenPromise(protocol.heal(move.state));
      if (broken)
        return { states: states.length, complete: false, counterexample: { broken, moves: wayTo(at, move.name) } };
      if (states.length >= limit) return { states: states.length, complete: false, counterexample: undefined };
      numbers.set(text, states.length);
      states.push(text);
      came.push({ from: at, by: move.name });
    }
    // What was expanded is needed as a key only.
    states[at] = "";
  }
  return { states: states.length, complete: true, counterexample: undefined };
}
