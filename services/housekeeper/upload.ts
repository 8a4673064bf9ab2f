import { request } from 'node:http';
import { request as secureRequest } from 'node:https';
import { Readable } from 'node:stream';
import FormData from 'form-data';
import type { z } from 'zod';
import { fromWireError, Problem, parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { ConfirmResult, UploadResult } from '#contracts/http-central.ts';
import type { SessionUid } from '#contracts/ids.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { centralRoutes } from '#contracts/routes.ts';

export interface UploadOptions {
  readonly serverUrl: string;
  readonly manifest: TouchlineManifest;
  /** The lines of its timeline; none when there is no such file. */
  readonly timeline: string | undefined;
  /** The moments of its session, whole lines; none when there is no such file. */
  readonly marks: string | undefined;
  readonly content: AsyncIterable<Buffer>;
  /** Bytes per second; unlimited when left out. */
  readonly bytesPerSecond: number | undefined;
  readonly onSent: (bytes: number) => void;
  readonly signal: AbortSignal;
}

/** No byte either way for this long is a lost link. */
const IDLE_MS = 30_000;
/** Answers of central are small. */
const ANSWER_LIMIT_BYTES = 1_000_000;

/** `POST /api/v1/upload`: sends one recording with its manifest, streamed. Throws what central answered, or `central_unreachable`. */
export async function upload(options: UploadOptions): Promise<UploadResult> {
  const { manifest, timeline, marks, serverUrl, signal } = options;
  const form = new FormData();
  form.append('session_id', manifest.recording.session_id);
  form.append('camera_id', manifest.recording.camera_id);
  form.append('checksum', manifest.checksum.value);
  form.append('session_uid', manifest.touchline.session_uid);
  form.append('part', String(manifest.touchline.part));
  form.append('manifest', JSON.stringify(manifest));
  if (timeline !== undefined) form.append('timeline', timeline);
  if (marks !== undefined) form.append('marks', marks);
  form.append('file', Readable.from(measured(options), { objectMode: false }), {
    filename: manifest.file.name,
    contentType: 'video/mp4',
    knownLength: manifest.file.size_bytes,
  });
  const length = await new Promise<number>((resolve, reject) => {
    form.getLength((error, bytes) => (error ? reject(error) : resolve(bytes)));
  });
  return ask(
    serverUrl,
    centralRoutes.upload,
    { ...form.getHeaders(), 'content-length': length },
    form,
    UploadResult,
    signal,
  );
}

/**
 * `POST /api/v1/upload/confirm`: what central holds, hashed by central. `storedUid` is the session that the upload's answer
 * named: central keeps other bytes of the same session beside the first.
 */
export async function confirm(
  serverUrl: string,
  manifest: TouchlineManifest,
  storedUid: SessionUid,
  signal: AbortSignal,
): Promise<ConfirmResult> {
  const body = JSON.stringify({
    session_id: manifest.recording.session_id,
    camera_id: manifest.recording.camera_id,
    session_uid: storedUid,
    part: manifest.touchline.part,
  });
  return ask(
    serverUrl,
    centralRoutes.confirm,
    { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    Readable.from([body]),
    ConfirmResult,
    signal,
  );
}

/** Passes the content on, counted and, when asked, no faster than the limit. */
async function* measured({ content, bytesPerSecond, onSent, signal }: UploadOptions): AsyncIterable<Buffer> {
  const startMs = performance.now();
  let sent = 0;
  for await (const chunk of content) {
    yield chunk;
    sent += chunk.length;
    onSent(sent);
    if (bytesPerSecond === undefined) continue;
    const earlyMs = (sent / bytesPerSecond) * 1000 - (performance.now() - startMs);
    if (earlyMs > 0) await new Promise((resolve) => setTimeout(resolve, earlyMs));
    signal.throwIfAborted();
  }
}

async function ask<T extends z.ZodType>(
  serverUrl: string,
  route: string,
  headers: Record<string, string | number>,
  body: NodeJS.ReadableStream,
  schema: T,
  signal: AbortSignal,
): Promise<z.output<T>> {
  const url = new URL(route, serverUrl);
  const unreachable = (cause: unknown): TouchlineError =>
    new TouchlineError(
      'central_unreachable',
      `${url.origin} cannot be reached: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  const sending = (url.protocol === 'https:' ? secureRequest : request)(url, {
    method: 'POST',
    headers,
    signal,
  });
  sending.setTimeout(IDLE_MS, () => sending.destroy(new Error(`nothing was heard for ${IDLE_MS / 1000} s`)));
  const answered = new Promise<{ status: number; text: string }>((resolve, reject) => {
    sending.once('error', reject);
    sending.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text = (text + chunk).slice(0, ANSWER_LIMIT_BYTES);
      });
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
      response.once('error', reject);
    });
  });
  // What breaks the content, a disk that fails say, ends the request with that reason.
  body.on('error', (error) => sending.destroy(error));
  body.pipe(sending);
  const answer = await answered.catch((cause: unknown) => {
    signal.throwIfAborted();
    throw cause instanceof TouchlineError ? cause : unreachable(cause);
  });
  // A refusal may come before the whole body is sent: nobody reads the rest.
  if (answer.status >= 300) sending.destroy();
  const json = parseJson(answer.text);
  if (answer.status < 300) return parseOrThrow(schema, json, 'internal', `the answer of ${url.pathname}`);
  const problem = Problem.safeParse(json);
  if (problem.success) throw fromWireError(problem.data);
  throw new TouchlineError(
    answer.status >= 500 ? 'central_unreachable' : 'conflict',
    `${url.origin} answered ${answer.status}`,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
