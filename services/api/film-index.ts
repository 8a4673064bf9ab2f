import { TouchlineError } from '#contracts/errors.ts';
import { boxHeader, children } from '#domain/fmp4/boxes.ts';
import { fragmentReader, fragmentTimes } from '#domain/fmp4/fragments.ts';
import { createSegmentList, type SegmentList } from '#domain/hls/playlist.ts';
import type { Disk } from '#ports/disk/disk.ts';

/** Where in a film its pictures are, as far as it was whole when it was last looked at. */
export interface FilmIndex {
  readonly timescale: number;
  /** Which part of a fragment has the pictures, where there is sound too. */
  readonly videoTrackId?: number | undefined;
  readonly initialisationBytes: number;
  readonly segments: SegmentList;
}

/** Indexes of the films that were asked for last. */
export interface FilmIndexes {
  /** Reads on where it stopped the last time; of the film only the headers of its boxes. Throws `not_found`, or `not_mp4`. */
  of(path: string): Promise<FilmIndex>;
}

/** A fragment's header is a few hundred bytes; what follows it is not read. */
const HEAD_BYTES = 1024;
/** A header that claims more is none of ours. */
const LARGEST_HEAD_BYTES = 1024 * 1024;
/** Of a match this is about 1 MB each. */
const KEPT = 8;

interface Reading {
  index: FilmIndex | undefined;
  /** Everything before was taken into the index. */
  position: number;
  /** One at a time. */
  turn: Promise<unknown>;
}

export function createFilmIndexes(disk: Disk): FilmIndexes {
  const readings = new Map<string, Reading>();
  return {
    of(path) {
      const reading = readings.get(path) ?? { index: undefined, position: 0, turn: Promise.resolve() };
      readings.delete(path);
      readings.set(path, reading);
      for (const old of [...readings.keys()].slice(0, -KEPT)) readings.delete(old);
      const done = reading.turn.then(() => readOn(disk, path, reading));
      reading.turn = done.catch(() => undefined);
      return done;
    },
  };
}

async function readOn(disk: Disk, path: string, reading: Reading): Promise<FilmIndex> {
  const size = await sizeOf(disk, path);
  if (size < reading.position) {
    // Recovery cut it off: what was read does not hold any more.
    reading.index = undefined;
    reading.position = 0;
  }
  try {
    if (!reading.index) {
      const { index, bytes } = await readInitialisation(disk, path);
      reading.index = index;
      reading.position = bytes;
    }
    const { index } = reading;
    while (reading.position < size) {
      const next = await readFragment(disk, path, reading.position, size, index.videoTrackId);
      if (!next) break;
      if (next.fragment) index.segments.push(next.fragment);
      reading.position = next.end;
    }
    return index;
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new TouchlineError('not_mp4', `${path}: ${cause.message}`, { cause });
  }
}

/** Bytes of a file. Throws `not_found`. */
export async function sizeOf(disk: Disk, path: string): Promise<number> {
  const folder = path.slice(0, path.lastIndexOf('/'));
  const entry = (await disk.list(folder)).find((each) => each.path === path);
  if (!entry) throw new TouchlineError('not_found', `${path} is not on this disk`);
  return entry.sizeBytes;
}

async function readInitialisation(disk: Disk, path: string): Promise<{ index: FilmIndex; bytes: number }> {
  const reader = fragmentReader();
  let read = 0;
  for await (const chunk of disk.read(path, 0, HEAD_BYTES)) {
    read += chunk.length;
    for (const part of reader.push(chunk)) {
      if (part.kind !== 'initialisation') break;
      const { timescale, videoTrackId, bytes } = part;
      const segments = createSegmentList(timescale);
      return {
        bytes: bytes.length,
        index: { timescale, videoTrackId, initialisationBytes: bytes.length, segments },
      };
    }
    if (read > LARGEST_HEAD_BYTES) break;
  }
  throw new TouchlineError('not_found', `${path} has no pictures yet`);
}

/** The fragment at `from`; `fragment` is undefined for a box between fragments, all of it when it is not whole yet. */
async function readFragment(
  disk: Disk,
  path: string,
  from: number,
  size: number,
  videoTrackId: number | undefined,
): Promise<{ end: number; fragment?: Parameters<SegmentList['push']>[0] } | undefined> {
  let head: Buffer = Buffer.alloc(0);
  for await (const chunk of disk.read(path, from, HEAD_BYTES)) {
    head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    const first = boxHeader(head, 0);
    if (!first) continue;
    if (first.size < first.headerSize) throw new RangeError(`a box of ${first.size} bytes at ${from}`);
    if (first.type !== 'moof') return from + first.size <= size ? { end: from + first.size } : undefined;
    if (first.size > LARGEST_HEAD_BYTES) throw new RangeError(`a header of ${first.size} bytes at ${from}`);
    const data = head.length > first.size ? boxHeader(head, first.size) : undefined;
    if (!data) continue;
    const end = from + first.size + data.size;
    if (data.type !== 'mdat') throw new RangeError(`a fragment without pictures at ${from}`);
    if (end > size) return undefined;
    const [moof] = children(head.subarray(0, first.size), 0);
    const { times, endTime, keyframe } = fragmentTimes(moof, videoTrackId);
    const [startTime] = times;
    return { end, fragment: { offset: from, sizeBytes: end - from, startTime, endTime, keyframe } };
  }
  return undefined;
}
