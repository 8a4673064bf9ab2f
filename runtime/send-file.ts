import { basename, dirname } from 'node:path';
import { send } from '@fastify/send';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { TouchlineError } from '#contracts/errors.ts';

export interface FileToSend {
  /** Absolute. */
  readonly path: string;
  /** Names exactly these bytes: its SHA-256, or another text without quotes that changes with them. */
  readonly tag: string;
  /** What a browser calls it when it is kept. */
  readonly name: string;
  /** Kept rather than shown. */
  readonly download: boolean;
}

/** Large enough for video, small enough for many clients. */
const CHUNK_BYTES = 262_144;

/**
 * Sends a file, or the range of it that is asked for, with a strong entity tag (RFC 9110, sections 8.8.3, 13 and 14).
 * It may be kept by the browser, which asks each time whether it is still the same.
 * Throws `not_found`, `range_not_satisfiable`.
 */
export async function sendFile(
  request: FastifyRequest,
  reply: FastifyReply,
  file: FileToSend,
): Promise<FastifyReply> {
  const etag = `"${file.tag}"`;
  reply.headers({
    etag,
    'cache-control': 'private, no-cache',
    'content-disposition': `${file.download ? 'attachment' : 'inline'}; filename="${file.name}"`,
    'x-content-type-options': 'nosniff',
  });
  const known = request.headers['if-none-match'];
  if (known !== undefined && (known.trim() === '*' || known.includes(etag))) return reply.code(304).send();

  const { range } = request.headers;
  const ifRange = request.headers['if-range'];
  // Of another file than before the whole is sent; what the library does by date would mix two of the same second.
  const headers = range !== undefined && (ifRange === undefined || ifRange === etag) ? { range } : {};
  // All that the library looks at.
  const raw = { method: request.method, headers } as unknown as FastifyRequest['raw'];
  const result = await send(raw, encodeURIComponent(basename(file.path)), {
    root: dirname(file.path),
    etag: false,
    cacheControl: false,
    highWaterMark: CHUNK_BYTES,
  });
  if (result.type === 'file')
    return reply.code(result.statusCode).headers(result.headers).send(result.stream);
  result.stream.resume();
  for (const name of ['etag', 'content-disposition']) reply.removeHeader(name);
  if (result.statusCode !== 416) throw new TouchlineError('not_found', `${file.name} is not there any more`);
  const contentRange = result.headers['Content-Range'] ?? '';
  reply.header('content-range', contentRange);
  throw new TouchlineError('range_not_satisfiable', `${file.name} has no bytes ${range}: ${contentRange}`);
}
