/** What a conformance test found. */

/** `wrong`: Evenkeel cannot work with it. `deviates`: it copes, at a cost. `unseen`: the test could not tell. */
export type Verdict = "right" | "deviates" | "wrong" | "unseen";

export interface Finding {
  /** Such as `GET /queued`. */
  readonly call: string;
  /** What should be. */
  readonly check: string;
  readonly verdict: Verdict;
  /** What was seen, where it is not just that. */
  readonly seen?: string;
  /** What it costs whoever runs the server. */
  readonly cost?: string;
}

/** One answer; `headers` have lower-case names. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
}

/** One request. Rejects when no whole answer comes. */
export type Ask = (
  method: string,
  path: string,
  more?: { readonly body?: string; readonly headers?: Readonly<Record<string, string>> },
) => Promise<Answer>;

export const right = (call: string, check: string, seen?: string): Finding => ({
  call,
  check,
  verdict: "right",
  ...(seen !== undefined && { seen }),
});
export const deviates = (call: string, check: string, seen: string, cost: string): Finding => ({
  call,
  check,
  verdict: "deviates",
  seen,
  cost,
});
export const wrong = (call: string, check: string, seen: string, cost: string): Finding => ({
  call,
  check,
  verdict: "wrong",
  seen,
  cost,
});
export const unseen = (call: string, check: string, seen: string): Finding => ({
  call,
  check,
  verdict: "unseen",
  seen,
});

/** What a server answered, in few words. */
export function shown({ status, text }: Answer): string {
  const words = text.replaceAll(/\s+/g, " ").trim().slice(0, 80);
  return words === "" ? `${status} without a body` : `${status} ${words}`;
}
