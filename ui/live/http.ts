/** Why the server refused, in its own words. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly remedy?: string;
  readonly field?: string;
  readonly details?: Record<string, unknown>;
}

/** A refusal of the server, or no answer from it (`unreachable`). */
export class Refusal extends Error {
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.message);
    this.name = 'Refusal';
    this.problem = problem;
  }
}

const TIMEOUT_MS = 15_000;

export const getJson = <T>(path: string, signal?: AbortSignal): Promise<T> =>
  request<T>('GET', path, undefined, signal);
/** `timeoutMs`: of what takes longer than an answer usually does. */
export const postJson = <T>(path: string, body: object = {}, timeoutMs?: number): Promise<T> =>
  request<T>('POST', path, body, undefined, timeoutMs);
export const deleteJson = <T>(path: string): Promise<T> => request<T>('DELETE', path);

/** Rejects with a `Refusal`. */
async function request<T>(
  method: string,
  path: string,
  body?: object,
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<T> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(path, {
    method,
    ...(body === undefined
      ? {}
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
  }).catch((error: unknown) => {
    if (signal?.aborted) throw error;
    throw new Refusal({
      code: 'unreachable',
      message: 'no answer',
      remedy: 'Check the network, then try again.',
    });
  });
  if (response.status === 204) return undefined as T;
  const answer: unknown = await response.json().catch(() => undefined);
  if (!response.ok) throw new Refusal(problemOf(answer, response));
  return answer as T;
}

function problemOf(answer: unknown, { status }: Response): Problem {
  if (typeof answer !== 'object' || answer === null || !('code' in answer))
    return { code: 'unreachable', message: `the answer was ${status} without a reason` };
  const { code, message, detail, title, remedy, field, details } = answer as Record<string, unknown>;
  return {
    code: String(code),
    message: String(message ?? detail ?? title ?? code),
    ...(typeof remedy === 'string' ? { remedy } : {}),
    ...(typeof field === 'string' ? { field } : {}),
    ...(typeof details === 'object' && details !== null
      ? { details: details as Record<string, unknown> }
      : {}),
  };
}

/** What went wrong, for people. */
export function problemIn(error: unknown): Problem {
  if (error instanceof Refusal) return error.problem;
  return { code: 'page_failed', message: error instanceof Error ? error.message : String(error) };
}

/** `/sessions/:uid` with its parameters filled in and escaped. */
export function path(route: string, parameters: Readonly<Record<string, string | number>>): string {
  return route.replace(/:([a-z_]+)/g, (_, name: string) =>
    encodeURIComponent(String(parameters[name] ?? '')),
  );
}
