import { type Box, boxReader, children, find, viewOf } from './boxes.ts';
import { container, isTrack, rebasedTrack, samplesOf, shiftData } from './track-run.ts';

/**
 * A fragmented MP4 with one video track, and maybe one of sound beside it, as a stream of its parts: first the initialisation (`ftyp`, `moov`), then fragments
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
  /** Only where there is sound beside the pictures: which part of a fragment is theirs. */
  readonly videoTrackId?: number;
  readonly sound?: SoundTrack;
}

export interface SoundTrack {
  readonly trackId: number;
  /** Time stamps per second. */
  readonly timescale: number;
  /** Its time stamps per one of the video. */
  readonly perVideoTick: number;
  /** Sample entry, such as `mp4a`. */
  readonly sampleEntry: string;
}

type Tracks = Pick<Initialisation, 'videoTrackId' | 'sound'>;

export interface Fragment {
  readonly kind: 'fragment';
  readonly bytes: Uint8Array;
  /** Decode time of each frame, in the timescale, from the start of the stream; none in a fragment of sound alone. */
  readonly times: readonly number[];
  /** Decode time after the last frame; of sound alone: after the last frame before it. */
  readonly endTime: number;
  /** Whether the first frame is a key frame: a file can begin here. */
  readonly keyframe: boolean;
  readonly sound?: SoundTrack;
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
  let tracks: Tracks | undefined;
  let endTime = 0;
  let wholeBytes = 0;
  let damage: RangeError | undefined;
  const refuse = (why: string): never => {
    damage = new RangeError(why);
    throw damage;
  };
  const takePart = (box: Box): Initialisation | Fragment | undefined => {
    if (!tracks && held.length === 0 && box.type !== 'ftyp')
      refuse(`a recording begins with "ftyp", not with "${box.type}"`);
    if (!tracks && box.type === 'mdat') refuse('the pictures come before their description: not fragmented');
    if (tracks && box.type === 'moov') refuse('a second description in one recording');
    held.push(box);
    if (box.type !== 'moov' && box.type !== 'mdat') return undefined;
    try {
      return box.type === 'moov' ? initialisation(held, box) : fragment(held, tracks ?? {}, endTime);
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
        if (part.kind === 'initialisation') tracks = part;
        else endTime = part.endTime;
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
  const ofKind = (handler: string): Box[] =>
    tracks.filter((track) => handlerOf(find(track, 'mdia')) === handler);
  const [video, second] = ofKind('vide');
  const { entry, timescale } = mediaOf(video);
  if (!video || !entry || timescale === undefined) throw new RangeError('the recording has no video track');
  const [soundTrack, ...more] = ofKind('soun');
  if (second || more.length > 0 || tracks.length > (soundTrack ? 2 : 1))
    throw new RangeError(
      `the recording has ${tracks.length} tracks where one of video, and at most one of sound, are expected`,
    );
  const view = viewOf(entry.bytes);
  return {
    kind: 'initialisation',
    bytes: concat(held),
    timescale,
    width: view.getUint16(32),
    height: view.getUint16(34),
    sampleEntry: entry.type,
    ...(soundTrack ? { videoTrackId: trackIdOf(video), sound: soundOf(soundTrack, timescale) } : {}),
  };
}

function soundOf(track: Box, videoTimescale: number): SoundTrack {
  const { entry, timescale } = mediaOf(track);
  if (!entry || !timescale) throw new RangeError('the sound of the recording is not described');
  const perVideoTick = timescale / videoTimescale;
  return { trackId: trackIdOf(track), timescale, perVideoTick, sampleEntry: entry.type };
}

function mediaOf(track: Box | undefined): { entry: Box | undefined; timescale: number | undefined } {
  const mdhd = find(track, 'mdia', 'mdhd');
  const stsd = find(track, 'mdia', 'minf', 'stbl', 'stsd');
  return {
    entry: stsd && children(stsd.bytes, 16)[0],
    timescale: mdhd && viewOf(mdhd.bytes).getUint32(mdhd.bytes[8] === 1 ? 28 : 20),
  };
}

function trackIdOf(track: Box): number {
  const tkhd = find(track, 'tkhd');
  if (!tkhd) throw new RangeError('a track of the recording has no number');
  return viewOf(tkhd.bytes).getUint32(tkhd.bytes[8] === 1 ? 28 : 20);
}

function handlerOf(media: Box | undefined): string | undefined {
  const hdlr = find(media, 'hdlr');
  return hdlr && String.fromCharCode(...hdlr.bytes.subarray(16, 20));
}

function fragment(held: Box[], tracks: Tracks, endBefore: number): Fragment {
  const moof = held.find((box) => box.type === 'moof');
  const times = fragmentTimes(moof, tracks.videoTrackId);
  return {
    kind: 'fragment',
    bytes: concat(held),
    ...times,
    ...(times.times.length === 0 ? { endTime: endBefore } : {}),
    ...(tracks.sound ? { sound: tracks.sound } : {}),
  };
}

/**
 * What a fragment's `moof` tells of its frames; none, when it has no part for the video track that is named. Throws `RangeError` when it
 * lacks its header.
 */
export function fragmentTimes(
  moof: Box | undefined,
  videoTrackId?: number,
): Pick<Fragment, 'times' | 'endTime' | 'keyframe'> {
  const parts = moof ? children(moof.bytes, 8).filter((box) => box.type === 'traf') : [];
  if (videoTrackId === undefined || parts.length === 0) return samplesOf(parts[0]);
  const video = parts.find((traf) => isTrack(traf, videoTrackId));
  return video ? samplesOf(video) : { times: [], endTime: 0, keyframe: false };
}

/**
 * The same fragment with its times counted from `origin` and numbered `sequence`, so that a file cut out of a running stream
 * begins at zero. Sound from before it is left out.
 */
export function rebased(source: Fragment, origin: number, sequence: number): Fragment {
  const { sound } = source;
  const boxes = children(source.bytes, 0);
  const moof = boxes.find((box) => box.type === 'moof');
  if (!find(moof, 'mfhd') || !find(moof, 'traf', 'tfdt')) throw new RangeError('a fragment lacks its header');
  const parts = children(moof?.bytes ?? new Uint8Array(), 8).flatMap((box) => {
    if (box.type === 'mfhd') return [numbered(box, sequence)];
    if (box.type !== 'traf') return [box.bytes];
    const isSound = sound !== undefined && isTrack(box, sound.trackId);
    return rebasedTrack(box, isSound ? Math.round(origin * sound.perVideoTick) : origin) ?? [];
  });
  const moved = container('moof', parts);
  const shorterBy = (moof?.bytes.length ?? 0) - moved.length;
  if (shorterBy > 0)
    for (const box of children(moved, 8)) if (box.type === 'traf') shiftData(box, -shorterBy);
  return {
    ...source,
    bytes: concat(boxes.map((box) => (box === moof ? { type: 'moof', bytes: moved } : box))),
    times: source.times.map((time) => time - origin),
    endTime: source.endTime - origin,
  };
}

function numbered(mfhd: Box, sequence: number): Uint8Array {
  const bytes = new Uint8Array(mfhd.bytes);
  viewOf(bytes).setUint32(12, sequence);
  return bytes;
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
