import { once } from 'node:events';
import { createReadStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { nodeLayout } from '#contracts/layout.ts';
import { type Fragment, fragmentReader, type Initialisation } from '#domain/fmp4/fragments.ts';
import { createCutter } from '#domain/recording/cut.ts';
import { createTally } from '#domain/recording/tally.ts';
import type { Camera, Profile } from '#ports/camera/camera.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { runProgram } from '#ports/program/program.ts';
import { createFilmIndexes } from '#services/api/film-index.ts';
import { runPipeline } from '#services/recorder/pipeline.ts';
import { CAMERA_LIKE, inspect, makeTimedFilm, makeVideo, picturesOf } from '../fixtures/make-video.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';

const dir = t.testdir({});
const at = (name: string): string => join(dir, name);
const FPS = 25;
const PROFILE: Profile = { width: 0, height: 0, fps: FPS, codec: 'h264', bitrateMbps: 1, rung: 'copy' };

/** What the recorder's own pipeline makes of a stream, here one from a file and as fast as it goes. */
async function recorded(
  path: string,
): Promise<{ initialisation: Initialisation; fragments: Fragment[]; bytes: Buffer }> {
  const film: Camera = {
    source: 'file',
    live: false,
    probe: async () => ({ requested: 'a film', profiles: [PROFILE] }),
    open: async () => {
      const output = createReadStream(path);
      await once(output, 'open');
      return {
        output,
        format: 'mpegts',
        firstFrameMonoUs: Promise.resolve(0),
        ended: new Promise(() => undefined),
        close: async () => undefined,
      };
    },
  };
  const fragments: Fragment[] = [];
  let initialisation: Initialisation | undefined;
  const end = await runPipeline(
    {
      camera: film,
      clock: systemClock(),
      profile: PROFILE,
      cueMonoUs: 0,
      signal: new AbortController().signal,
    },
    {
      opened: (pipeline) => {
        initialisation = pipeline.initialisation;
      },
      fragment: (fragment) => void fragments.push(fragment),
    },
  ).catch((error: unknown) => error);
  // A camera never ends by itself: that this one does is reported, after all of it was delivered.
  if (!(end instanceof Error && /muxer.*exit code 0/.test(end.message))) throw end;
  if (!initialisation) throw new Error('the muxer made nothing');
  return {
    initialisation,
    fragments,
    bytes: Buffer.concat([initialisation.bytes, ...fragments.map(({ bytes }) => bytes)]),
  };
}

t.before(async () => {
  await Promise.all([
    makeVideo(at('small.ts'), {
      size: '64x64',
      seconds: 2,
      args: [...CAMERA_LIKE, '-muxdelay', '0', '-crf', '45'],
    }),
    makeTimedFilm(at('timed.ts'), {
      frames: 100,
      fps: FPS,
      args: [...CAMERA_LIKE, '-b:v', '1M', '-maxrate', '1M', '-bufsize', '1M', '-muxdelay', '0'],
    }),
  ]);
});

t.test('the burned-in clock survives H.264 at 1 Mbit/s', async (t) => {
  const frames = await readBurnedClock(at('timed.ts'));
  t.same(
    frames.map(({ epochUs }) => epochUs),
    Array.from({ length: 100 }, (_, n) => n * 40_000),
  );
  // With a lively picture below it, as the test pattern has, there are few bits left for the strip.
  await runProgram('ffmpeg', [
    ...['-v', 'error', '-i', at('timed.ts'), '-f', 'lavfi', '-i', 'testsrc2=size=1280x720:rate=25'],
    ...[
      '-filter_complex',
      '[1]noise=alls=40:allf=t[n];[n][0]overlay=shortest=1:format=yuv420,format=yuv420p',
    ],
    ...[
      '-frames:v',
      '40',
      ...CAMERA_LIKE,
      '-b:v',
      '1M',
      '-maxrate',
      '1M',
      '-bufsize',
      '500k',
      at('lively.mp4'),
    ],
  ]);
  const lively = await readBurnedClock(at('lively.mp4'));
  t.same(
    lively.map(({ epochUs }) => epochUs),
    Array.from({ length: 40 }, (_, n) => n * 40_000),
  );
});

t.test('the recorder’s own stream is read as ffprobe reads it', async (t) => {
  const { initialisation, fragments, bytes } = await recorded(at('small.ts'));
  writeFileSync(at('whole.mp4'), bytes);
  const { width, height, packets } = await inspect(at('whole.mp4'));
  t.match(initialisation, { width, height, sampleEntry: 'avc1' });
  const times = fragments.flatMap((fragment) =>
    fragment.times.map((time) => time / initialisation.timescale),
  );
  t.equal(times.length, 50);
  t.ok(
    times.every((time, n) => Math.abs(time - (packets[n]?.dtsSec ?? -1)) < 1e-4),
    'every time stamp',
  );
  const starts = fragments.map(({ times: [first = 0] }) => first / initialisation.timescale);
  const keys = packets.filter(({ keyframe }) => keyframe).map(({ dtsSec }) => dtsSec);
  t.same(
    fragments.flatMap(({ keyframe }, n) => (keyframe ? [(starts[n] ?? 0).toFixed(3)] : [])),
    keys.map((key) => key.toFixed(3)),
    'every key frame begins a fragment, and is known as one',
  );
  t.ok(Math.max(...fragments.map(({ times }) => times.length)) <= 6, 'fragments of 0.2 s');
  const tally = createTally({ fps: FPS, timescale: initialisation.timescale });
  for (const fragment of fragments) tally.add(fragment);
  t.match(tally, { frames: 50, droppedFrames: 0, durationUs: 2_000_000 });
});

t.test('chunks of any size give the same parts of a real file', async (t) => {
  const whole = readFileSync(at('whole.mp4'));
  const parts = (size: number): unknown[] => {
    const reader = fragmentReader();
    const found: unknown[] = [];
    for (let from = 0; from < whole.length; from += size)
      for (const { bytes, ...part } of reader.push(whole.subarray(from, from + size)))
        found.push({ ...part, bytes: bytes.length });
    t.equal(reader.wholeBytes, whole.length, `${size} bytes at a time`);
    return found;
  };
  const wanted = parts(whole.length);
  for (const size of [1, 13, 1000, 4096]) t.same(parts(size), wanted);
});

t.test('cut at any byte, what is whole plays without an error', async (t) => {
  const whole = readFileSync(at('whole.mp4'));
  const { initialisation, fragments } = await recorded(at('small.ts'));
  const borders = [initialisation.bytes.length];
  for (const { bytes } of fragments) borders.push((borders.at(-1) ?? 0) + bytes.length);
  const wrong: number[] = [];
  const reader = fragmentReader();
  for (let size = 0; size < whole.length; size++) {
    for (const _ of reader.push(whole.subarray(size, size + 1)));
    const wanted = borders.findLast((border) => border <= size + 1) ?? 0;
    if (reader.wholeBytes !== wanted) wrong.push(size + 1);
  }
  t.same(wrong, [], `of ${whole.length} places to cut`);
  let frames = 0;
  for (const [n, fragment] of fragments.entries()) {
    frames += fragment.times.length;
    if (n % 4 !== 0 && n !== fragments.length - 1) continue;
    writeFileSync(at('cut.mp4'), whole.subarray(0, borders[n + 1]));
    t.equal((await picturesOf(at('cut.mp4'))).length, frames, `${frames} frames play`);
  }
  writeFileSync(at('torn.mp4'), whole.subarray(0, (borders[5] ?? 0) + 700));
  await t.rejects(picturesOf(at('torn.mp4')), /torn\.mp4/, 'while a torn fragment is an error for ffmpeg');
});

t.test('zeros behind a real file cost nothing of it', async (t) => {
  const whole = readFileSync(at('whole.mp4'));
  const reader = fragmentReader();
  let parts = 0;
  t.throws(() => {
    for (const _ of reader.push(Buffer.concat([whole, Buffer.alloc(100_000)]))) parts++;
  }, RangeError);
  t.equal(reader.wholeBytes, whole.length);
  t.ok(parts > 10);
});

t.test('MP4 files of other programs are refused', async (t) => {
  const foreign: [string, string[]][] = [
    ['plain.mp4', []],
    ['faststart.mp4', ['-movflags', '+faststart']],
    ['film.mkv', []],
  ];
  for (const [name, args] of foreign) {
    await runProgram('ffmpeg', ['-v', 'error', '-i', at('small.ts'), '-c', 'copy', ...args, at(name)]);
    t.throws(() => [...fragmentReader().push(readFileSync(at(name)))], RangeError, name);
  }
});

/** A film that shows its time, with a tone that begins at 1.5 s; `-movflags` beyond those of every recording. */
async function withSound(name: string, movflags: string, args: readonly string[] = []): Promise<Buffer> {
  await runProgram('ffmpeg', [
    ...['-v', 'error', '-y', '-i', at('timed.ts'), '-f', 'lavfi'],
    ...['-i', 'aevalsrc=if(gte(t\\,1.5)\\,0.5*sin(2*PI*1000*t)\\,0):d=4:s=48000', '-c:v', 'copy'],
    ...[
      '-c:a',
      'aac',
      ...args,
      '-movflags',
      `+empty_moov+default_base_moof+frag_keyframe+skip_trailer${movflags}`,
    ],
    ...['-frag_duration', '200000', at(name)],
  ]);
  return readFileSync(at(name));
}

t.test('with sound beside them, the times of the pictures and every byte stay what they are', async (t) => {
  for (const [name, args] of [
    ['sound.mp4', []],
    // So small that pictures and sound are in fragments of their own.
    ['apart.mp4', ['-frag_size', '2000']],
  ] as const) {
    const bytes = await withSound(name, '+delay_moov', args);
    const parts = [...fragmentReader().push(bytes)];
    t.ok(Buffer.concat(parts.map((part) => part.bytes)).equals(bytes), `${name}: not a byte more or less`);
    const [initialisation, ...fragments] = parts as [Initialisation, ...Fragment[]];
    t.equal(initialisation.sound?.sampleEntry, 'mp4a');
    t.equal(
      fragments.some(({ times }) => times.length === 0),
      name === 'apart.mp4',
    );
    const { packets } = await inspect(at(name));
    t.same(
      fragments.flatMap(({ times }) => times.map((time) => (time / initialisation.timescale).toFixed(4))),
      packets.map(({ dtsSec }) => dtsSec.toFixed(4)),
      `${name}: every time stamp`,
    );
  }
});

t.test('a film with sound is watched while it grows, and plays when it was cut off', async (t) => {
  for (const name of ['sound.mp4', 'apart.mp4']) {
    const disk = memoryDisk(50_000_000);
    const whole = readFileSync(at(name));
    const path = nodeLayout.video('Cup', 'CAM_C', name);
    const file = await disk.open(path, 'create');
    await file.append(whole.subarray(0, 30_000));
    const indexes = createFilmIndexes(disk);
    await indexes.of(path);
    await file.append(whole.subarray(30_000));
    const { segments, initialisationBytes, timescale } = await indexes.of(path);
    const listed = [...segments.closed, ...(segments.open ? [segments.open] : [])];
    t.equal(listed.length, 2, `${name}: a segment begins with a key frame, every two seconds`);
    const borders = listed.map(({ offset, sizeBytes }) => [offset, offset + sizeBytes]);
    t.same(
      borders,
      [
        [initialisationBytes, borders[1]?.[0]],
        [borders[0]?.[1], whole.length],
      ],
      'all of its pictures and sound, one after the other',
    );
    t.equal(Math.round((listed.at(-1)?.endTime ?? 0) / timescale), 4);

    // What recovery keeps of a file.
    const reader = fragmentReader();
    const tally = createTally({ fps: FPS, timescale });
    for (const part of reader.push(whole.subarray(0, Math.floor(whole.length * 0.7))))
      if (part.kind === 'fragment') tally.add(part);
    writeFileSync(at('kept.mp4'), whole.subarray(0, reader.wholeBytes));
    t.ok(tally.frames > 60 && tally.frames < 75, `${tally.frames} frames of 100`);
    t.equal((await picturesOf(at('kept.mp4'))).length, tally.frames, 'which all play');
    t.equal(tally.droppedFrames, 0);
  }
});

t.test('a file cut out of a stream with sound keeps both together', async (t) => {
  const [initialisation, ...fragments] = [
    ...fragmentReader().push(await withSound('cut-me.mp4', '+delay_moov')),
  ] as [Initialisation, ...Fragment[]];
  const cutter = createCutter();
  cutter.startAt(1.3 * initialisation.timescale);
  cutter.stopAt(2.9 * initialisation.timescale);
  const out = fragments.flatMap((fragment) => cutter.push(fragment));
  writeFileSync(at('sound-cut.mp4'), Buffer.concat([initialisation.bytes, ...out.map(({ bytes }) => bytes)]));
  const [first] = await readBurnedClock(at('sound-cut.mp4'));
  const originSec = (cutter.origin ?? 0) / initialisation.timescale;
  t.equal(first?.ptsUs, 0);
  t.equal(first?.epochUs, originSec * 1e6);
  await runProgram('ffmpeg', [
    ...['-v', 'error', '-y', '-i', at('sound-cut.mp4'), '-vn', '-af', 'aresample=48000:async=1:first_pts=0'],
    ...['-f', 'f32le', '-ac', '1', at('sound.raw')],
  ]);
  const raw = readFileSync(at('sound.raw'));
  const samples = new Float32Array(raw.buffer, raw.byteOffset, raw.length / 4);
  const beginsSec = samples.findIndex((sample) => Math.abs(sample) > 0.2) / 48_000;
  t.ok(Math.abs(beginsSec + originSec - 1.5) < 0.002, `the tone of 1.5 s is at ${beginsSec + originSec} s`);
});

t.test('a file cut out of a running stream begins at zero and shows what belongs to it', async (t) => {
  const { initialisation, fragments } = await recorded(at('timed.ts'));
  const cutter = createCutter();
  cutter.startAt(1.3 * initialisation.timescale);
  cutter.stopAt(2.9 * initialisation.timescale);
  const out = fragments.flatMap((fragment) => cutter.push(fragment));
  writeFileSync(at('out.mp4'), Buffer.concat([initialisation.bytes, ...out.map(({ bytes }) => bytes)]));
  t.equal(cutter.state, 'after');

  const { packets } = await inspect(at('out.mp4'));
  t.equal(packets[0]?.ptsSec, 0, 'from zero');
  t.ok(packets[0]?.keyframe);
  t.equal(
    (await picturesOf(at('out.mp4'))).length,
    packets.length,
    'every frame decodes, without a word from ffmpeg',
  );
  const shown = (await readBurnedClock(at('out.mp4'))).map(({ epochUs }) => epochUs / 1e6);
  const [first = 0] = shown;
  t.equal(first, (cutter.origin ?? 0) / initialisation.timescale, 'the frame of the origin is the first');
  t.ok(first <= 1.3 && first > 1.3 - 0.5, `the key frame before the start: ${first}`);
  const last = shown.at(-1) ?? 0;
  t.ok(last >= 2.9 - 0.041 && last < 2.9 + 0.2, `to the fragment of the stop: ${last}`);
  t.same(
    shown.map((sec) => Math.round((sec - first) * 25)),
    shown.map((_, n) => n),
    'without a hole',
  );
});
