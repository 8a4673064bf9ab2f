import type { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { fromWireError, Problem, TouchlineError } from '#contracts/errors.ts';
import { CAPTURED_AT_HEADER, socketPreviewRoute } from '#contracts/routes.ts';
import { ask } from './upstream.ts';

/** The recorder waits for a first picture for almost as long. */
const RECORDER_LIMIT_MS = 10_000;
/** How often it is asked for the next picture: key frames come twice a second. */
const NEXT_PICTURE_MS = 400;
const BOUNDARY = 'touchline-picture';

/** Answers with the picture that this node's recorder gives. Throws `preview_unavailable` with the reason. */
export async function sendPreview(
  socketPath: string,
  widthPx: number,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const answer = await askRecorder(socketPath, widthPx);
  return reply
    .type('image/jpeg')
    .header('cache-control', 'no-store')
    .header(CAPTURED_AT_HEADER, answer.headers[CAPTURED_AT_HEADER])
    .send(answer);
}

/**
 * Answers with one picture after the other (`multipart/x-mixed-replace`), until who asked is gone or there are no more. Throws
 * `preview_unavailable` when there is not even a first.
 */
export async function sendMotionPreview(
  socketPath: string,
  widthPx: number,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const first = await askRecorder(socketPath, widthPx);
  return reply
    .type(`multipart/x-mixed-replace; boundary=${BOUNDARY}`)
    .header('cache-control', 'no-store')
    .send(Readable.from(pictures(socketPath, widthPx, first)));
}

async function* pictures(
  socketPath: string,
  widthPx: number,
  first: IncomingMessage,
): AsyncGenerator<Buffer> {
  let shown: unknown;
  for (let answer = first; ; answer = await askRecorder(socketPath, widthPx)) {
    const jpeg = await bodyOf(answer);
    const capturedAt = answer.headers[CAPTURED_AT_HEADER];
    if (capturedAt !== shown) {
      shown = capturedAt;
      yield Buffer.concat([
        Buffer.from(
          `--${BOUNDARY}\r\ncontent-type: image/jpeg\r\ncontent-length: ${jpeg.length}\r\n` +
            `${CAPTURED_AT_HEADER}: ${capturedAt}\r\n\r\n`,
        ),
        jpeg,
        Buffer.from('\r\n'),
      ]);
    }
    await pause(NEXT_PICTURE_MS);
  }
}

async function askRecorder(socketPath: string, widthPx: number): Promise<IncomingMessage> {
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
  if (answer.statusCode !== 200)
    throw fromWireError(Problem.parse(JSON.parse((await bodyOf(answer)).toString('utf8'))));
  return answer;
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
