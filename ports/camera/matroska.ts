/**
 * The few elements of Matroska (RFC 9559) that carry raw grey pictures with a time stamp each: what ffmpeg needs to
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

/** Head of a stream of grey pictures; time stamps are microseconds. */
export function matroskaHead(width: number, height: number, fps: number): Buffer {
  const video = element(
    ID.video,
    Buffer.concat([
      number(ID.pixelWidth, width),
      number(ID.pixelHeight, height),
      element(ID.colourSpace, Buffer.from('Y800')),
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

/** One picture at `timeUs` from the start of the stream. */
export function matroskaFrame(timeUs: number, picture: Uint8Array): Buffer {
  const block = Buffer.concat([Buffer.from([0x81, 0, 0, 0x80]), picture]);
  return element(ID.cluster, Buffer.concat([number(ID.timestamp, timeUs), element(ID.simpleBlock, block)]));
}

function id(value: number): Buffer {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 ? `0${hex}` : hex, 'hex');
}

function element(elementId: number, payload: Buffer): Buffer {
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE((1n << 56n) | BigInt(payload.length));
  return Buffer.concat([id(elementId), size, payload]);
}

function number(elementId: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return element(elementId, bytes);
}
