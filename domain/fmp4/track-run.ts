import { type Box, children, find, viewOf } from './boxes.ts';

/** The part of a fragment that belongs to one track (`traf`): when its samples are decoded, and where its bytes are. */

const TFHD_BASE_OFFSET = 0x01;
const TFHD_DESCRIPTION = 0x02;
const TFHD_DURATION = 0x08;
const TFHD_SIZE = 0x10;
const TFHD_FLAGS = 0x20;
const TRUN_DATA_OFFSET = 0x01;
const TRUN_FIRST_FLAGS = 0x04;
const TRUN_DURATION = 0x100;
const TRUN_SIZE = 0x200;
const TRUN_FLAGS = 0x400;
const TRUN_COMPOSITION = 0x800;
const SAMPLE_IS_NOT_SYNC = 0x10000;

export interface TrackSamples {
  /** Decode time of each sample, in the timescale of the track. */
  readonly times: readonly number[];
  /** Decode time after the last one. */
  readonly endTime: number;
  /** Whether the first sample can be decoded on its own. */
  readonly keyframe: boolean;
}

export const isTrack = (traf: Box, trackId: number): boolean => {
  const tfhd = find(traf, 'tfhd');
  return tfhd !== undefined && viewOf(tfhd.bytes).getUint32(12) === trackId;
};

/** Throws `RangeError` when a header is missing. */
export function samplesOf(traf: Box | undefined): TrackSamples {
  const tfhd = find(traf, 'tfhd');
  const tfdt = find(traf, 'tfdt');
  const runs = runsOf(traf);
  if (!tfhd || !tfdt || runs.length === 0) throw new RangeError('a fragment lacks its header');
  const defaults = defaultsOf(tfhd);
  const times: number[] = [];
  let time = decodeTime(tfdt);
  let firstFlags: number | undefined;
  for (const run of runs) {
    const { view, flags, count } = runOf(run);
    if (times.length === 0 && flags & TRUN_FIRST_FLAGS) firstFlags = view.getUint32(entriesAt(flags) - 4);
    for (let n = 0, at = entriesAt(flags); n < count; n++, at += entryBytes(flags)) {
      times.push(time);
      time += flags & TRUN_DURATION ? view.getUint32(at) : defaults.duration;
      if (flags & TRUN_FLAGS) firstFlags ??= view.getUint32(at + fieldBytes(flags, TRUN_FLAGS));
    }
  }
  return {
    times,
    endTime: time,
    keyframe: ((firstFlags ?? defaults.flags) & SAMPLE_IS_NOT_SYNC) === 0,
  };
}

/**
 * The same `traf` with its times counted from `origin`. Samples that are decoded before it are left out: their bytes stay in the fragment, and
 * nothing names them. Undefined when nothing is left.
 */
export function rebasedTrack(traf: Box, origin: number): Uint8Array | undefined {
  const { times } = samplesOf(traf);
  const kept = times.findIndex((time) => time >= origin);
  const [start] = times.slice(kept);
  if (kept < 0 || start === undefined) return undefined;
  const tfhd = find(traf, 'tfhd');
  const defaultSize = tfhd ? defaultsOf(tfhd).size : 0;
  let toDrop = kept;
  const parts = children(traf.bytes, 8).flatMap((box) => {
    if (box.type === 'tfdt') return [withDecodeTime(box, start - origin)];
    if (box.type !== 'trun') return [box.bytes];
    const dropped = Math.min(toDrop, runOf(box).count);
    toDrop -= dropped;
    return dropped === runOf(box).count ? [] : [withoutFirst(box, dropped, defaultSize)];
  });
  return container('traf', parts);
}

/** Moves the offsets of all runs of a `traf`, in place: they count from the beginning of a `moof` whose length has changed. */
export function shiftData(traf: Box, byBytes: number): void {
  for (const run of runsOf(traf)) {
    const { view, flags } = runOf(run);
    if (flags & TRUN_DATA_OFFSET) view.setInt32(16, view.getInt32(16) + byBytes);
  }
}

export function container(type: string, parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 8));
  viewOf(bytes).setUint32(0, bytes.length);
  for (let n = 0; n < 4; n++) bytes[4 + n] = type.charCodeAt(n);
  let at = 8;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

const runsOf = (traf: Box | undefined): Box[] =>
  traf ? children(traf.bytes, 8).filter(({ type }) => type === 'trun') : [];

function runOf(trun: Box): { view: DataView; flags: number; count: number } {
  const view = viewOf(trun.bytes);
  return { view, flags: view.getUint32(8) & 0xffffff, count: view.getUint32(12) };
}

const entriesAt = (flags: number): number =>
  16 + (flags & TRUN_DATA_OFFSET ? 4 : 0) + (flags & TRUN_FIRST_FLAGS ? 4 : 0);

/** Bytes of the fields of an entry before the one that is named. */
const fieldBytes = (flags: number, before: number): number =>
  [TRUN_DURATION, TRUN_SIZE, TRUN_FLAGS, TRUN_COMPOSITION].filter((field) => field < before && flags & field)
    .length * 4;
const entryBytes = (flags: number): number => fieldBytes(flags, Number.POSITIVE_INFINITY);

function defaultsOf(tfhd: Box): { duration: number; size: number; flags: number } {
  const view = viewOf(tfhd.bytes);
  const flags = view.getUint32(8) & 0xffffff;
  let at = 16 + (flags & TFHD_BASE_OFFSET ? 8 : 0) + (flags & TFHD_DESCRIPTION ? 4 : 0);
  const next = (field: number): number => {
    if (!(flags & field)) return 0;
    at += 4;
    return view.getUint32(at - 4);
  };
  return { duration: next(TFHD_DURATION), size: next(TFHD_SIZE), flags: next(TFHD_FLAGS) };
}

function decodeTime(tfdt: Box): number {
  const view = viewOf(tfdt.bytes);
  return tfdt.bytes[8] === 1 ? Number(view.getBigUint64(12)) : view.getUint32(12);
}

function withDecodeTime(tfdt: Box, time: number): Uint8Array {
  const bytes = new Uint8Array(tfdt.bytes);
  if (bytes[8] === 1) viewOf(bytes).setBigUint64(12, BigInt(time));
  else viewOf(bytes).setUint32(12, time);
  return bytes;
}

/** A run without its first entries, its data beginning behind theirs. What the first sample is, its flags say no more. */
function withoutFirst(trun: Box, count: number, defaultSize: number): Uint8Array {
  if (count === 0) return new Uint8Array(trun.bytes);
  const run = runOf(trun);
  const head = entriesAt(run.flags);
  const entry = entryBytes(run.flags);
  let skipped = 0;
  for (let n = 0; n < count; n++)
    skipped +=
      run.flags & TRUN_SIZE
        ? run.view.getUint32(head + n * entry + fieldBytes(run.flags, TRUN_SIZE))
        : defaultSize;
  const bytes = container('trun', [
    trun.bytes.subarray(8, head),
    trun.bytes.subarray(head + count * entry, trun.bytes.length),
  ]);
  const view = viewOf(bytes);
  view.setUint32(12, run.count - count);
  if (run.flags & TRUN_DATA_OFFSET) view.setInt32(16, view.getInt32(16) + skipped);
  return bytes;
}
