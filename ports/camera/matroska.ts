/**
 * The few elements of Matroska (RFC 9559) that carry raw pictures with a time stamp each: what ffmpeg needs to
 * keep the time of every frame, which a raw video pipe cannot carry. One cluster per frame, sizes unknown where the
 * stream has no end.
 */

const UNKNOWN_SIZE = Buffer.from([0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);

const ID = {
  ebml: 0x1a45dfa3,
  docType: 0x4282,
  segment: 0x18538067,
  info: 0x1549a966,
  timestampScale: 0x2ad7b1,
  tracks: 0x1654ae6b,
  trackEntry: 0xae,
  trackNumber: 0xd7,
  trackUid: 0x73c5,
  trackType: 0x83,
  codecId: 0x86,
  defaultDuration: 0x23e383,
  video: 0xe0,
  pixelWidth: 0xb0,
  pixelHeight: 0xba,
  colourSpace: 0x2eb524,
  cluster: 0x1f43b675,
  timestamp: 0xe7,
  simpleBlock: 0xa3,
} as const;

/** How the samples of a picture lie: grey only, or planar 4:2:0. */
export type RawFormat = 'Y800' | 'I420';

/** Head of a stream of raw pictures; time stamps are microseconds. */
export function matroskaHead(width: number, height: number, fps: number, format: RawFormat): Buffer {
  const video = element(
    ID.video,
    Buffer.concat([
      number(ID.pixelWidth, width),
      number(ID.pixelHeight, height),
      element(ID.colourSpace, Buffer.from(format)),
    ]),
  );
  const track = element(
    ID.trackEntry,
    Buffer.concat([
      number(ID.trackNumber, 1),
      number(ID.trackUid, 1),
      number(ID.trackType, 1),
      element(ID.codecId, Buffer.from('V_UNCOMPRESSED')),
      number(ID.defaultDuration, Math.round(1e9 / fps)),
      video,
    ]),
  );
  return Buffer.concat([
    element(ID.ebml, element(ID.docType, Buffer.from('matroska'))),
    id(ID.segment),
    UNKNOWN_SIZE,
    element(ID.info, number(ID.timestampScale, 1000)),
    element(ID.tracks, track),
  ]);
}

/** What stands before the `pictureBytes` of a picture at `timeUs` from the start of the stream. */
export function matroskaFrameHead(timeUs: number, pictureBytes: number): Buffer {
  // Track 1, no time of its own, a key frame as all are.
  const block = Buffer.from([0x81, 0, 0, 0x80]);
  const blockSize = block.length + pictureBytes;
  const time = number(ID.timestamp, timeUs);
  const blockHead = Buffer.concat([id(ID.simpleBlock), sizeOf(blockSize), block]);
  return Buffer.concat([
    id(ID.cluster),
    sizeOf(time.length + blockHead.length + pictureBytes),
    time,
    blockHead,
  ]);
}

function id(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
}

function element(elementId: number, payload: Buffer): Buffer {
  return Buffer.concat([id(elementId), sizeOf(payload.length), payload]);
}

function sizeOf(bytes: number): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE((1n << 56n) | BigInt(bytes));
  return size;
}

function number(elementId: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(elementId, bytes);
}
