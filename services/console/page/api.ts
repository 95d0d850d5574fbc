/** Requests to the console's own API. A token, once given, goes with each. */
const tokenKey = "evenkeel-token";

/** The API's answer is no success; the message is its own words. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;

  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

const answerMs = 30_000;

function token(): string | null {
  return sessionStorage.getItem(tokenKey);
}

export function setToken(value: string): void {
  sessionStorage.setItem(tokenKey, value);
}

export function authorization(): Record<string, string> {
  const known = token();
  return known === null ? {} : { authorization: `Bearer ${known}` };
}

/** @throws ApiError in words for a person */
export async function request<Answer>(path: string, init: RequestInit = {}): Promise<Answer> {
  const timeout = AbortSignal.timeout(answerMs);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers: { ...authorization(), ...init.headers }, signal });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    const why = timeout.aborted ? `did not answer within ${answerMs / 1_000} s` : "cannot be reached";
    throw new ApiError(`The console's server ${why}.`, 0);
  }
  const answer = await response.json().catch(() => undefined);
  if (response.ok && answer !== undefined) return answer;
  throw new ApiError(answer?.error ?? `The console's server answered ${response.status}.`, response.status);
}

export function put<Answer>(path: string, body: unknown, method = "PUT"): Promise<Answer> {
  return request(path, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
}
