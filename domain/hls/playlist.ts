/**
 * HTTP Live Streaming (RFC 8216) of one fragmented MP4: its playlist names ranges of bytes of that file, so nothing is cut, copied or
 * written to be watched.
 */

/** A fragment as the file's box headers tell it. Times are in the file's timescale. */
export interface IndexedFragment {
  readonly offset: number;
  readonly sizeBytes: number;
  /** Undefined for sound alone, which belongs to the pictures before it. */
  readonly startTime: number | undefined;
  readonly endTime: number;
  readonly keyframe: boolean;
}

/** A stretch of the file that begins with a key frame and plays on its own. */
export interface Segment {
  readonly offset: number;
  readonly sizeBytes: number;
  readonly startTime: number;
  readonly endTime: number;
}

/** What a playlist is made of; grows with the file. */
export interface SegmentList {
  /** Takes the next fragment of the file. */
  push(fragment: IndexedFragment): void;
  /** Those that are over: a further one has begun. */
  readonly closed: readonly Segment[];
  /** The one that still grows; the last one, when the file has ended. */
  readonly open: Segment | undefined;
}

/** Short enough to begin at once, long enough that a match has a few thousand. */
const SEGMENT_SEC = 2;
/** A segment ends at the first key frame after `SEGMENT_SEC`; cameras send one at least every two seconds. */
const TARGET_SEC = 4;

export function createSegmentList(timescale: number): SegmentList {
  const closed: Segment[] = [];
  let open: Segment | undefined;
  return {
    push({ offset, sizeBytes, startTime, endTime, keyframe }) {
      if (startTime === undefined) {
        open = open && { ...open, sizeBytes: offset + sizeBytes - open.offset };
        return;
      }
      if (open && keyframe && startTime - open.startTime >= SEGMENT_SEC * timescale) {
        // Up to the next one: lost frames in between belong to it, so that the clock of the film goes on.
        closed.push({ ...open, endTime: startTime });
        open = undefined;
      }
      open = open
        ? { ...open, sizeBytes: offset + sizeBytes - open.offset, endTime }
        : { offset, sizeBytes, startTime, endTime };
    },
    closed,
    get open() {
      return open;
    },
  };
}

export interface PlaylistOptions {
  /** Address of the file, relative to the playlist's. */
  readonly file: string;
  readonly timescale: number;
  /** Bytes before the first fragment: how the pictures are to be decoded. */
  readonly initialisationBytes: number;
  readonly segments: Pick<SegmentList, 'closed' | 'open'>;
  /** A finished file is listed whole; of one that grows, only what will not change. */
  readonly finished: boolean;
  /** When the first frame was exposed, RFC 3339; left out when it is not known. */
  readonly startsAt?: string | undefined;
}

/** The playlist (media playlist of RFC 8216, version 7 for fragmented MP4). */
export function playlist(options: PlaylistOptions): string {
  const { file, timescale, segments, finished } = options;
  const last = finished && segments.open ? [segments.open] : [];
  const listed = [...segments.closed, ...last].map((segment) => ({
    ...segment,
    sec: (segment.endTime - segment.startTime) / timescale,
  }));
  // Must not change while the list grows; only a stretch of lost frames can be longer.
  const target = Math.max(TARGET_SEC, ...listed.map(({ sec }) => Math.round(sec)));
  return [
    '#EXTM3U',
    '#EXT-X-VERSION:7',
    `#EXT-X-TARGETDURATION:${target}`,
    `#EXT-X-PLAYLIST-TYPE:${finished ? 'VOD' : 'EVENT'}`,
    '#EXT-X-MEDIA-SEQUENCE:0',
    '#EXT-X-INDEPENDENT-SEGMENTS',
    ...(options.startsAt === undefined ? [] : [`#EXT-X-PROGRAM-DATE-TIME:${options.startsAt}`]),
    `#EXT-X-MAP:URI="${file}",BYTERANGE="${options.initialisationBytes}@0"`,
    ...listed.flatMap(({ sec, sizeBytes, offset }) => [
      `#EXTINF:${sec.toFixed(6)},`,
      `#EXT-X-BYTERANGE:${sizeBytes}@${offset}`,
      file,
    ]),
    ...(finished ? ['#EXT-X-ENDLIST'] : []),
    '',
  ].join('\n');
}
