import type { z } from 'zod';
import { type CommandInput, StartResult, StopResult } from '#contracts/commands.ts';
import { fromWireError, Problem, parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { CentralHealth, CentralSession, SessionList } from '#contracts/http-central.ts';
import { RecordingList, RigView } from '#contracts/http-node.ts';
import type { SessionUid } from '#contracts/ids.ts';
import { centralRoutes, nodeRoutes } from '#contracts/routes.ts';

const REQUEST_TIMEOUT_MS = 10_000;

/** A camera node's REST interface, as any other program would use it. Errors are those of the problem documents. */
export function nodeClient(baseUrl: string) {
  return {
    rig: (signal?: AbortSignal) => call(RigView, 'GET', baseUrl + nodeRoutes.rig, undefined, signal),
    recordings: (signal?: AbortSignal) =>
      call(RecordingList, 'GET', baseUrl + nodeRoutes.recordings, undefined, signal),
    start: (input: CommandInput<'rigStart'>, signal?: AbortSignal) =>
      call(StartResult, 'POST', baseUrl + nodeRoutes.rigStart, input, signal),
    stop: (input: CommandInput<'rigStop'>, signal?: AbortSignal) =>
      call(StopResult, 'POST', baseUrl + nodeRoutes.rigStop, input, signal),
  };
}
export type NodeClient = ReturnType<typeof nodeClient>;

export function centralClient(baseUrl: string) {
  return {
    health: (signal?: AbortSignal) =>
      call(CentralHealth, 'GET', baseUrl + centralRoutes.health, undefined, signal),
    sessions: (signal?: AbortSignal) =>
      call(SessionList, 'GET', baseUrl + centralRoutes.sessions, undefined, signal),
    session: (uid: SessionUid, signal?: AbortSignal) =>
      call(
        CentralSession,
        'GET',
        baseUrl + centralRoutes.session.replace(':session_uid', uid),
        undefined,
        signal,
      ),
  };
}
export type CentralClient = ReturnType<typeof centralClient>;

async function call<T extends z.ZodType>(
  schema: T,
  method: 'GET' | 'POST',
  url: string,
  body: object | undefined,
  signal: AbortSignal | undefined,
): Promise<z.output<T>> {
  const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
  const response = await fetch(url, {
    method,
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    ...(body === undefined
      ? {}
      : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  }).catch((cause: unknown) => {
    signal?.throwIfAborted();
    throw new TouchlineError('peer_silent', `${method} ${url}: no answer`, { cause });
  });
  const answer: unknown = await response.json();
  if (response.ok) return parseOrThrow(schema, answer, 'internal', `answer of ${method} ${url}`);
  const problem = Problem.safeParse(answer);
  if (problem.success) throw fromWireError(problem.data);
  throw new TouchlineError('internal', `${method} ${url}: ${response.status}`, { details: { answer } });
}
