import t from 'tap';
import { boxReader } from '#domain/fmp4/boxes.ts';
import { type Fragment, fragmentReader, type Initialisation, rebased } from '#domain/fmp4/fragments.ts';
import {
  box,
  fragment,
  fragmentBytes,
  ftyp,
  fullBox,
  initialisation,
  initialisationWithSound,
  largeBox,
  moov,
  soundPart,
  track,
  u32,
  u64,
} from '../../fixtures/mp4-boxes.ts';

type Part = Initialisation | Fragment;

/** Pushes all chunks; what came out, and the error that ended it. */
function read(...chunks: Uint8Array[]): { parts: Part[]; error: unknown; wholeBytes: number } {
  const reader = fragmentReader();
  const parts: Part[] = [];
  let error: unknown;
  try {
    for (const chunk of chunks) for (const part of reader.push(chunk)) parts.push(part);
  } catch (caught) {
    error = caught;
  }
  return { parts, error, wholeBytes: reader.wholeBytes };
}

const first = fragmentBytes({ start: 0, durations: [3000, 3000] });
const second = fragmentBytes({ start: 6000, durations: [3000, 6000, 3000], keyframe: false });
const film = Buffer.concat([initialisation(), first, second]);

t.test('a film comes out in parts that are the film', async (t) => {
  const { parts, error, wholeBytes } = read(film);
  t.equal(error, undefined);
  t.match(parts, [
    { kind: 'initialisation', timescale: 90_000, width: 640, height: 360, sampleEntry: 'avc1' },
    { kind: 'fragment', times: [0, 3000], endTime: 6000, keyframe: true },
    { kind: 'fragment', times: [6000, 9000, 15_000], endTime: 18_000, keyframe: false },
  ]);
  t.ok(Buffer.concat(parts.map((part) => part.bytes)).equals(film), 'not a byte more or less');
  t.equal(wholeBytes, film.length);
});

t.test('cut anywhere, the whole parts before the cut are there', async (t) => {
  const borders = [initialisation().length, initialisation().length + first.length, film.length];
  for (let size = 0; size <= film.length; size++) {
    const { parts, error, wholeBytes } = read(film.subarray(0, size));
    const wanted = borders.filter((border) => border <= size);
    if (error !== undefined || parts.length !== wanted.length || wholeBytes !== (wanted.at(-1) ?? 0))
      t.fail(`cut at ${size}: ${parts.length} parts, ${wholeBytes} bytes, ${error}`);
  }
});

t.test('chunks of any size give the same parts', async (t) => {
  for (const size of [1, 2, 7, 8, 9, 15, 16, 17, 100, film.length - 1]) {
    const chunks: Buffer[] = [];
    for (let at = 0; at < film.length; at += size) chunks.push(film.subarray(at, at + size));
    t.same(read(...chunks), read(film), `${size} bytes at a time`);
  }
  t.same(read(new Uint8Array(), film, new Uint8Array()), read(film), 'empty chunks change nothing');
});

t.test('what a power cut leaves behind the film costs nothing of the film', async (t) => {
  const zeros = Buffer.alloc(4096);
  for (const chunks of [
    [Buffer.concat([film, zeros])],
    [film, zeros],
    [Buffer.concat([film, zeros.subarray(0, 7)]), zeros],
  ]) {
    const { parts, error, wholeBytes } = read(...chunks);
    t.equal(parts.length, 3, 'all parts came out before the error');
    t.equal(wholeBytes, film.length);
    t.ok(error instanceof RangeError, 'and then the error');
  }
  const huge = read(Buffer.concat([film, u32(0x7fffffff), Buffer.from('mdat')]));
  t.equal(huge.wholeBytes, film.length);
  t.ok(huge.error instanceof RangeError, 'a box of 2 GB is not waited for');
  const lost = read(Buffer.concat([film, box('mdat', zeros)]));
  t.same(
    [lost.parts.length, lost.wholeBytes, lost.error instanceof RangeError],
    [3, film.length, true],
    'no header',
  );
  const half = read(Buffer.concat([film, second.subarray(0, 60)]));
  t.same(
    [half.parts.length, half.wholeBytes, half.error],
    [3, film.length, undefined],
    'half a fragment waits',
  );
});

t.test('after damage nothing more is believed', async (t) => {
  const reader = fragmentReader();
  t.equal([...reader.push(film)].length, 3);
  t.throws(() => [...reader.push(Buffer.alloc(16))], RangeError);
  t.throws(() => [...reader.push(first)], RangeError, 'not even what looks right');
  t.equal(reader.wholeBytes, film.length);
});

t.test(
  'what is not a fragmented MP4 with one video track, and one of sound at most, is refused',
  async (t) => {
    const plainMoov = box('moov', box('mvhd', Buffer.alloc(100)), track('vide', 90_000));
    for (const [what, bytes] of [
      ['text', Buffer.from('#!/bin/sh\necho this is no video')],
      ['a plain MP4', Buffer.concat([ftyp(), box('mdat', Buffer.alloc(99)), plainMoov])],
      ['a plain MP4, faststart', Buffer.concat([ftyp(), plainMoov, box('mdat', Buffer.alloc(99))])],
      ['a fragment without its film', first],
      ['audio only', Buffer.concat([ftyp(), moov(track('soun', 48_000))])],
      ['no track', Buffer.concat([ftyp(), moov()])],
      ['a second film', Buffer.concat([ftyp(), moov(track('vide', 90_000), track('vide', 90_000, 0, 2))])],
      ['subtitles', Buffer.concat([ftyp(), moov(track('vide', 90_000), track('text', 1000, 0, 2))])],
      [
        'two tracks of sound',
        Buffer.concat([
          ftyp(),
          moov(track('vide', 90_000), track('soun', 8000, 0, 2), track('soun', 8000, 0, 3)),
        ]),
      ],
      ['two films', Buffer.concat([film, film])],
    ] as const) {
      const { parts, error } = read(bytes);
      t.ok(error instanceof RangeError, what);
      t.same(parts.length, what === 'two films' ? 3 : 0, `${what}: nothing came of it`);
    }
  },
);

t.test('every way to write a fragment is read', async (t) => {
  const run = (flags: number, ...payload: Buffer[]) => fullBox('trun', 0, flags, u32(2), ...payload);
  const written = (tfhd: Buffer, tfdt: Buffer, trun: Buffer): Part | undefined =>
    read(
      Buffer.concat([
        initialisation(),
        box('moof', fullBox('mfhd', 0, 0, u32(1)), box('traf', tfhd, tfdt, trun)),
      ]),
      box('mdat', Buffer.alloc(3)),
    ).parts[1];
  const KEY = u32(0x02000000);
  const NO_KEY = u32(0x01010000);
  const at6000 = fullBox('tfdt', 0, 0, u32(6000));
  t.match(
    written(fullBox('tfhd', 0, 0x08 | 0x20, u32(1), u32(3000), NO_KEY), at6000, run(0)),
    { times: [6000, 9000], endTime: 12_000, keyframe: false },
    'all from defaults, 32-bit time',
  );
  t.match(
    written(
      fullBox('tfhd', 0, 0x01 | 0x02 | 0x08 | 0x10 | 0x20, u32(1), u64(0), u32(1), u32(3000), u32(99), KEY),
      at6000,
      run(0),
    ),
    { endTime: 12_000, keyframe: true },
    'every default there is',
  );
  t.match(
    written(
      fullBox('tfhd', 0, 0x20, u32(1), NO_KEY),
      fullBox('tfdt', 1, 0, u64(2 ** 40)),
      run(
        0x01 | 0x100 | 0x200 | 0x400 | 0x800,
        u32(0),
        ...[u32(1000), u32(5), KEY, u32(0)],
        ...[u32(2000), u32(6), NO_KEY, u32(0)],
      ),
    ),
    { times: [2 ** 40, 2 ** 40 + 1000], endTime: 2 ** 40 + 3000, keyframe: true },
    'all per frame, 64-bit time',
  );
  t.match(
    read(
      Buffer.concat([ftyp(), moov(track('vide', 12_800, 1)), box('free'), first.subarray(0, first.length)]),
    ).parts,
    [{ timescale: 12_800 }, { keyframe: true, endTime: 6000 }],
    'a 64-bit media header, and a box between the parts',
  );
  t.same(
    [...boxReader().push(largeBox('mdat', Buffer.from('abc')))].map(({ type, bytes }) => [
      type,
      bytes.length,
    ]),
    [['mdat', 19]],
    'a size in 64 bits',
  );
});

t.test('a fragment is moved in time, and the original stays', async (t) => {
  const source = fragment({ start: 900_000, durations: [3000, 3000], keyframe: true });
  const before = Buffer.from(source.bytes);
  const moved = rebased(source, 450_000, 5);
  t.match(moved, { times: [450_000, 453_000], endTime: 456_000, keyframe: true });
  t.ok(before.equals(source.bytes), 'not changed in place');
  const again = read(initialisation(), moved.bytes).parts[1] as Fragment;
  t.same([again.times, again.endTime], [moved.times, moved.endTime], 'the bytes say the same');
  const at = Buffer.from(moved.bytes).indexOf('mfhd');
  t.equal(Buffer.from(moved.bytes).readUInt32BE(at + 8), 5, 'its number');
  const differs = [...before.keys()].filter((n) => before[n] !== moved.bytes[n]);
  t.ok(differs.length > 0 && differs.every((n) => n < before.indexOf('trun')), 'and nothing else changed');
});

/** A fragment of pictures, and of sound after them: samples of 10, 20, 30, … bytes. `mdat` holds their numbers. */
function withSound(start: number, soundStart: number, samples: number): Buffer {
  const sizes = Array.from({ length: samples }, (_, n) => 10 * (n + 1));
  const pictures = Buffer.alloc(50, 'P');
  const moofOf = (at: number): Buffer =>
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(1)),
      box(
        'traf',
        fullBox('tfhd', 0, 0x08 | 0x20, u32(1), u32(3000), u32(0x01010000)),
        fullBox('tfdt', 1, 0, u64(start)),
        fullBox('trun', 0, 0x01 | 0x04, u32(2), u32(at), u32(0x02000000)),
      ),
      soundPart(soundStart, sizes, at + pictures.length),
    );
  const sound = Buffer.concat(sizes.map((size, n) => Buffer.alloc(size, n + 1)));
  return Buffer.concat([moofOf(moofOf(0).length + 8), box('mdat', pictures, sound)]);
}
const soundAlone = (soundStart: number): Buffer =>
  Buffer.concat([
    box('moof', fullBox('mfhd', 0, 0, u32(1)), soundPart(soundStart, [5], 0)),
    box('mdat', Buffer.alloc(5)),
  ]);

t.test('sound beside the pictures changes nothing of what is said of them', async (t) => {
  const bytes = Buffer.concat([
    initialisationWithSound(),
    withSound(9000, 4800, 4),
    soundAlone(8896),
    withSound(15_000, 9920, 2),
  ]);
  const { parts, error, wholeBytes } = read(bytes);
  t.equal(error, undefined);
  t.match(parts, [
    { kind: 'initialisation', timescale: 90_000, videoTrackId: 1, sound: { trackId: 2, timescale: 48_000 } },
    { times: [9000, 12_000], endTime: 15_000, keyframe: true },
    { times: [], endTime: 15_000, keyframe: false },
    { times: [15_000, 18_000], endTime: 21_000, keyframe: true },
  ]);
  t.ok(Buffer.concat(parts.map((part) => part.bytes)).equals(bytes), 'not a byte more or less');
  t.equal(wholeBytes, bytes.length);
  const soundFirst = Buffer.concat([
    ftyp(),
    moov(track('soun', 48_000, 0, 1), track('vide', 90_000, 0, 2)),
    box(
      'moof',
      fullBox('mfhd', 0, 0, u32(1)),
      box(
        'traf',
        fullBox('tfhd', 0, 0, u32(1)),
        fullBox('tfdt', 0, 0, u32(7)),
        fullBox('trun', 0, 0, u32(9)),
      ),
      box(
        'traf',
        fullBox('tfhd', 0, 0x08, u32(2), u32(10)),
        fullBox('tfdt', 0, 0, u32(30)),
        fullBox('trun', 0, 0, u32(1)),
        fullBox('trun', 0, 0x100, u32(2), u32(11), u32(12)),
      ),
    ),
    box('mdat'),
  ]);
  t.match(read(soundFirst).parts[1], { times: [30, 40, 51], endTime: 63 }, 'tracks and runs in any order');
});

t.test('a file cut out of a stream with sound begins with the sound of its first frame', async (t) => {
  const source = read(initialisationWithSound(), withSound(9000, 3000, 4)).parts[1] as Fragment;
  // Frame 0 is at 0.1 s: 4800 ticks of the sound, in the middle of its second sample.
  const moved = rebased(source, 9000, 3);
  t.match(moved, { times: [0, 3000], endTime: 6000 });
  const again = read(initialisationWithSound(), moved.bytes).parts[1];
  t.match(again, { times: [0, 3000], endTime: 6000, keyframe: true });
  const bytes = Buffer.from(moved.bytes);
  const parts = (type: string): number[] =>
    [...bytes.keys()].filter((at) => bytes.toString('latin1', at, at + 4) === type);
  const [, soundTime = 0] = parts('tfdt');
  t.equal(
    bytes.readBigUInt64BE(soundTime + 8),
    3000n + 2n * 1024n - 4800n,
    'the first whole sample after it',
  );
  const [, run = 0] = parts('trun');
  t.same([bytes.readUInt32BE(run + 8), bytes.readUInt32BE(run + 16)], [2, 30], 'two samples less');
  const [pictureRun = 0] = parts('trun');
  t.equal(bytes[bytes.readInt32BE(pictureRun + 12)], 'P'.charCodeAt(0), 'the pictures are found');
  const at = bytes.readInt32BE(run + 12);
  t.same([bytes[at - 1], bytes[at], bytes[at + 29], bytes[at + 30]], [2, 3, 3, 4], 'and so is the sound');
  t.throws(() => rebased({ ...source, bytes: new Uint8Array(9) }, 0, 1), RangeError);
});
