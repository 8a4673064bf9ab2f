import type { IncomingMessage } from 'node:http';
import type { FastifyReply } from 'fastify';
import { fromWireError, Problem, TouchlineError } from '#contracts/errors.ts';
import { CAPTURED_AT_HEADER, socketPreviewRoute } from '#contracts/routes.ts';
import { ask } from './upstream.ts';

/** The recorder waits for a first picture for almost as long. */
const RECORDER_LIMIT_MS = 10_000;

/** Answers with the picture that this node's recorder gives. Throws `preview_unavailable` with the reason. */
export async function sendPreview(
  socketPath: string,
  widthPx: number,
  reply: FastifyReply,
): Promise<FastifyReply> {
  let answer: IncomingMessage;
  try {
    answer = await ask(
      { socketPath },
      { path: `${socketPreviewRoute}?width=${widthPx}`, limitMs: RECORDER_LIMIT_MS },
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new TouchlineError('preview_unavailable', `the recorder does not answer: ${why}`, { cause });
  }
  if (answer.statusCode !== 200) throw await problemOf(answer);
  return reply
    .type('image/jpeg')
    .header('cache-control', 'no-store')
    .header(CAPTURED_AT_HEADER, answer.headers[CAPTURED_AT_HEADER])
    .send(answer);
}

async function problemOf(answer: IncomingMessage): Promise<TouchlineError> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return fromWireError(Problem.parse(JSON.parse(Buffer.concat(chunks).toString('utf8'))));
}
