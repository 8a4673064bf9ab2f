import { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { FeedRelease, feedPaths } from '#contracts/release.ts';

/** Releases as GitHub's REST offers them, or whatever speaks like it. */
export interface ReleaseFeed {
  /** The newest that is neither a draft nor a pre-release; undefined when there is none. Throws `feed_unreachable`. */
  latest(signal?: AbortSignal): Promise<FeedRelease | undefined>;
  /** The newest first, without drafts. Throws `feed_unreachable`. */
  list(signal?: AbortSignal): Promise<FeedRelease[]>;
  /** A small file of a release. Throws `release_truncated` when the release has none of that name, `feed_unreachable`. */
  text(release: FeedRelease, name: string, signal?: AbortSignal): Promise<string>;
  /** A file from a byte on. Throws the same; a body that breaks off throws while it is read. */
  bytes(release: FeedRelease, name: string, from: number, signal?: AbortSignal): Promise<FeedBytes>;
}

export interface FeedBytes {
  /** First byte of the body: 0 when the server does not send ranges. */
  readonly from: number;
  /** Of the whole file, as far as the server says. */
  readonly totalBytes: number | undefined;
  readonly body: AsyncIterable<Uint8Array>;
}

const SMALL_FILE_BYTES_MAX = 1_048_576;
/** Without a byte for so long a connection counts as broken. */
const PATIENCE_MS = 30_000;
const API_HEADERS = {
  accept: 'application/vnd.github+json',
  'x-github-api-version': '2022-11-28',
  'user-agent': 'touchline',
} as const;

/**
 * `address`: of the repository, such as `https://api.github.com/repos/{owner}/{repo}`. Answers are kept in memory with their entity tag and
 * asked for again only when they have changed.
 */
export function httpReleaseFeed(address: string, patienceMs = PATIENCE_MS): ReleaseFeed {
  const base = address.replace(/\/+$/, '');
  const kept = new Map<string, { etag: string; value: unknown }>();

  const json = async (path: string, signal?: AbortSignal): Promise<unknown> => {
    const known = kept.get(path);
    const headers = { ...API_HEADERS, ...(known === undefined ? {} : { 'if-none-match': known.etag }) };
    const response = await ask(`${base}${path}`, headers, patienceMs, signal);
    if (response.status === 304 && known !== undefined) return known.value;
    if (response.status === 404) return undefined;
    refuseFailure(response, `${base}${path}`);
    const text = await smallText(response, path);
    try {
      const value: unknown = JSON.parse(text);
      const etag = response.headers.get('etag');
      if (etag !== null) kept.set(path, { etag, value });
      return value;
    } catch (cause) {
      throw new TouchlineError('feed_unreachable', `${base}${path} answered with something else than JSON`, {
        cause,
      });
    }
  };

  return {
    async latest(signal) {
      const value = await json(feedPaths.latest, signal);
      return value === undefined ? undefined : parseOrThrow(FeedRelease, value, 'feed_unreachable', base);
    },
    async list(signal) {
      const value = await json(feedPaths.list, signal);
      if (value === undefined) return [];
      return parseOrThrow(z.array(FeedRelease), value, 'feed_unreachable', base).filter(
        ({ draft }) => !draft,
      );
    },
    async text(release, name, signal) {
      const response = await ask(addressOf(release, name), {}, patienceMs, signal);
      if (response.status === 404) throw lacking(release, name);
      refuseFailure(response, name);
      return smallText(response, name);
    },
    async bytes(release, name, from, signal) {
      const stalled = new AbortController();
      const both = signal === undefined ? stalled.signal : AbortSignal.any([signal, stalled.signal]);
      const response = await ask(
        addressOf(release, name),
        from > 0 ? { range: `bytes=${from}-` } : {},
        patienceMs,
        both,
      );
      if (response.status === 404) throw lacking(release, name);
      refuseFailure(response, name);
      return { ...extentOf(response), body: patiently(response, stalled, name, patienceMs) };
    },
  };
}

function addressOf(release: FeedRelease, name: string): string {
  const asset = release.assets.find((each) => each.name === name);
  if (asset === undefined) throw lacking(release, name);
  return asset.browser_download_url;
}

function lacking(release: FeedRelease, name: string): TouchlineError {
  return new TouchlineError('release_truncated', `release ${release.tag_name} has no file ${name}`, {
    details: { name },
  });
}

/** RFC 9110, section 14.4: `bytes 100-199/200`. */
function extentOf(response: Response): { from: number; totalBytes: number | undefined } {
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
  if (response.status === 206 && range !== null)
    return { from: Number(range[1]), totalBytes: Number(range[2]) };
  const length = response.headers.get('content-length');
  return { from: 0, totalBytes: length === null ? undefined : Number(length) };
}

async function ask(
  url: string,
  headers: Record<string, string>,
  patienceMs: number,
  signal?: AbortSignal,
): Promise<Response> {
  signal?.throwIfAborted();
  // Until the answer begins; its body has a patience of its own.
  const late = new AbortController();
  const timer = setTimeout(
    () => late.abort(new Error(`no answer within ${patienceMs / 1000} s`)),
    patienceMs,
  );
  try {
    return await fetch(url, {
      headers,
      signal: signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]),
    });
  } catch (cause) {
    signal?.throwIfAborted();
    throw unreachable(url, cause);
  } finally {
    clearTimeout(timer);
  }
}

function refuseFailure(response: Response, what: string): void {
  if (response.ok) return;
  const limited = response.headers.get('x-ratelimit-remaining') === '0' || response.status === 429;
  throw new TouchlineError(
    'feed_unreachable',
    limited ? `${what}: asked too often` : `${what}: answered with status ${response.status}`,
    limited ? { remedy: 'Wait an hour; it is asked again by itself.' } : {},
  );
}

function unreachable(what: string, cause: unknown): TouchlineError {
  const { message, cause: deeper } = cause as Error;
  const reason = deeper instanceof Error && deeper.message !== '' ? deeper.message : message;
  return new TouchlineError('feed_unreachable', `${what}: ${reason}`, { cause });
}

async function smallText(response: Response, what: string): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  try {
    for await (const chunk of response.body ?? []) {
      bytes += chunk.byteLength;
      if (bytes > SMALL_FILE_BYTES_MAX)
        throw new TouchlineError('feed_unreachable', `${what} is larger than ${SMALL_FILE_BYTES_MAX} bytes`);
      chunks.push(chunk);
    }
  } catch (cause) {
    throw cause instanceof TouchlineError ? cause : unreachable(what, cause);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** The body; a connection that stalls is cut, so that the download can go on by another. */
async function* patiently(
  response: Response,
  stalled: AbortController,
  what: string,
  patienceMs: number,
): AsyncGenerator<Uint8Array> {
  const timer = setTimeout(() => stalled.abort(new Error(`no byte for ${patienceMs / 1000} s`)), patienceMs);
  try {
    for await (const chunk of response.body ?? []) {
      timer.refresh();
      yield chunk;
    }
  } catch (cause) {
    throw unreachable(what, cause);
  } finally {
    clearTimeout(timer);
  }
}
