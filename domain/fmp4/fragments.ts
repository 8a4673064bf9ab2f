import { type Box, boxReader, children, find, viewOf } from './boxes.ts';

/**
 * A fragmented MP4 with one video track, as a stream of its parts: first the initialisation (`ftyp`, `moov`), then fragments
 * (`moof`, `mdat`), each of which plays once it is whole.
 */
export interface Initialisation {
  readonly kind: 'initialisation';
  readonly bytes: Uint8Array;
  /** Time stamps per second. */
  readonly timescale: number;
  readonly width: number;
  readonly height: number;
  /** Sample entry, such as `avc1` or `hvc1`. */
  readonly sampleEntry: string;
}

export interface Fragment {
  readonly kind: 'fragment';
  readonly bytes: Uint8Array;
  /** Decode time of each frame, in the timescale, from the start of the stream. */
  readonly times: readonly number[];
  /** Decode time after the last frame. */
  readonly endTime: number;
  /** Whether the first frame is a key frame: a file can begin here. */
  readonly keyframe: boolean;
}

/** Tells where whole parts end, so that a file that was cut off can be shortened to what plays. */
export interface FragmentReader {
  /**
   * Parts that became complete; to be iterated before the next push. Parts before the damage come out, then comes the `RangeError`
   * for bytes that are not a fragmented MP4, and again at each later push.
   */
  push(chunk: Uint8Array): Iterable<Initialisation | Fragment>;
  /** Bytes of the parts that came out so far; what follows is unfinished. */
  readonly wholeBytes: number;
}

export function fragmentReader(): FragmentReader {
  const boxes = boxReader();
  let held: Box[] = [];
  let initialised = false;
  let wholeBytes = 0;
  let damage: RangeError | undefined;
  const refuse = (why: string): never => {
    damage = new RangeError(why);
    throw damage;
  };
  const takePart = (box: Box): Initialisation | Fragment | undefined => {
    if (!initialised && held.length === 0 && box.type !== 'ftyp')
      refuse(`a recording begins with "ftyp", not with "${box.type}"`);
    if (!initialised && box.type === 'mdat')
      refuse('the pictures come before their description: not fragmented');
    if (initialised && box.type === 'moov') refuse('a second description in one recording');
    held.push(box);
    if (box.type !== 'moov' && box.type !== 'mdat') return undefined;
    try {
      return box.type === 'moov' ? initialisation(held, box) : fragment(held);
    } catch (error) {
      return refuse(error instanceof Error ? error.message : 'a part cannot be read');
    }
  };
  return {
    get wholeBytes() {
      return wholeBytes;
    },
    *push(chunk) {
      if (damage) throw damage;
      for (const box of boxes.push(chunk)) {
        const part = takePart(box);
        if (!part) continue;
        initialised = true;
        held = [];
        wholeBytes += part.bytes.length;
        yield part;
      }
    },
  };
}

function initialisation(held: Box[], moov: Box): Initialisation {
  if (!find(moov, 'mvex')) throw new RangeError('the file is an MP4, but not a fragmented one');
  const tracks = children(moov.bytes, 8).filter((box) => box.type === 'trak');
  const media = tracks.map((track) => find(track, 'mdia')).find((mdia) => handlerOf(mdia) === 'vide');
  const mdhd = find(media, 'mdhd');
  const stsd = find(media, 'minf', 'stbl', 'stsd');
  const entry = stsd && children(stsd.bytes, 16)[0];
  if (!mdhd || !entry) throw new RangeError('the recording has no video track');
  if (tracks.length !== 1)
    throw new RangeError(`the recording has ${tracks.length} tracks where one is expected`);
  const view = viewOf(entry.bytes);
  return {
    kind: 'initialisation',
    bytes: concat(held),
    timescale: viewOf(mdhd.bytes).getUint32(mdhd.bytes[8] === 1 ? 28 : 20),
    width: view.getUint16(32),
    height: view.getUint16(34),
    sampleEntry: entry.type,
  };
}

function handlerOf(media: Box | undefined): string | undefined {
  const hdlr = find(media, 'hdlr');
  return hdlr && String.fromCharCode(...hdlr.bytes.subarray(16, 20));
}

const TFHD_DEFAULT_DURATION = 0x08;
const TFHD_DEFAULT_FLAGS = 0x20;
const TRUN_DATA_OFFSET = 0x01;
const TRUN_FIRST_FLAGS = 0x04;
const SAMPLE_IS_NOT_SYNC = 0x10000;

function fragment(held: Box[]): Fragment {
  const moof = held.find((box) => box.type === 'moof');
  return { kind: 'fragment', bytes: concat(held), ...fragmentTimes(moof) };
}

/** What a fragment's `moof` tells of its frames. Throws `RangeError` when it lacks its header. */
export function fragmentTimes(moof: Box | undefined): Pick<Fragment, 'times' | 'endTime' | 'keyframe'> {
  const traf = find(moof, 'traf');
  const tfhd = find(traf, 'tfhd');
  const tfdt = find(traf, 'tfdt');
  const trun = find(traf, 'trun');
  if (!tfhd || !tfdt || !trun) throw new RangeError('a fragment lacks its header');

  const head = viewOf(tfhd.bytes);
  const headFlags = head.getUint32(8) & 0xffffff;
  let at = 16;
  if (headFlags & 0x01) at += 8;
  if (headFlags & 0x02) at += 4;
  const defaultDuration = headFlags & TFHD_DEFAULT_DURATION ? head.getUint32(at) : 0;
  if (headFlags & TFHD_DEFAULT_DURATION) at += 4;
  if (headFlags & 0x10) at += 4;
  const defaultFlags = headFlags & TFHD_DEFAULT_FLAGS ? head.getUint32(at) : 0;

  const run = viewOf(trun.bytes);
  const runFlags = run.getUint32(8) & 0xffffff;
  const count = run.getUint32(12);
  let cursor = 16 + (runFlags & TRUN_DATA_OFFSET ? 4 : 0);
  let firstFlags = runFlags & TRUN_FIRST_FLAGS ? run.getUint32(cursor) : undefined;
  if (runFlags & TRUN_FIRST_FLAGS) cursor += 4;

  const times: number[] = [];
  let time = decodeTime(tfdt);
  for (let sample = 0; sample < count; sample++) {
    times.push(time);
    time += runFlags & 0x100 ? run.getUint32(cursor) : defaultDuration;
    if (runFlags & 0x100) cursor += 4;
    if (runFlags & 0x200) cursor += 4;
    if (runFlags & 0x400) {
      firstFlags ??= run.getUint32(cursor);
      cursor += 4;
    }
    if (runFlags & 0x800) cursor += 4;
  }
  return {
    times,
    endTime: time,
    keyframe: ((firstFlags ?? defaultFlags) & SAMPLE_IS_NOT_SYNC) === 0,
  };
}

function decodeTime(tfdt: Box): number {
  const view = viewOf(tfdt.bytes);
  return tfdt.bytes[8] === 1 ? Number(view.getBigUint64(12)) : view.getUint32(12);
}

/**
 * The same fragment with its times counted from `origin` and numbered `sequence`, so that a file cut out of a running stream
 * begins at zero.
 */
export function rebased(source: Fragment, origin: number, sequence: number): Fragment {
  const bytes = new Uint8Array(source.bytes);
  const moof = children(bytes, 0).find((box) => box.type === 'moof');
  const mfhd = find(moof, 'mfhd');
  const tfdt = find(moof, 'traf', 'tfdt');
  if (!mfhd || !tfdt) throw new RangeError('a fragment lacks its header');
  viewOf(mfhd.bytes).setUint32(12, sequence);
  const start = decodeTime(tfdt) - origin;
  if (tfdt.bytes[8] === 1) viewOf(tfdt.bytes).setBigUint64(12, BigInt(start));
  else viewOf(tfdt.bytes).setUint32(12, start);
  return {
    ...source,
    bytes,
    times: source.times.map((time) => time - origin),
    endTime: source.endTime - origin,
  };
}

function concat(boxes: Box[]): Uint8Array {
  const bytes = new Uint8Array(boxes.reduce((sum, box) => sum + box.bytes.length, 0));
  let at = 0;
  for (const box of boxes) {
    bytes.set(box.bytes, at);
    at += box.bytes.length;
  }
  return bytes;
}
