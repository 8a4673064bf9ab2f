import t from 'tap';
import { type ClockReading, Manifest, TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import { createCutter } from '#domain/recording/cut.ts';
import {
  buildManifest,
  isGap,
  isLateStart,
  masterUs,
  type RecordingFacts,
} from '#domain/recording/manifest.ts';
import { createTally } from '#domain/recording/tally.ts';
import { fragment } from '../../fixtures/mp4-boxes.ts';

/** 30 frames a second in 90 kHz. */
const FRAME = 3000;
/** Fragments of six frames, of which every third begins with a key frame. */
const LENGTH = 6 * FRAME;
const stream = (from: number, to: number, firstKey = 0) =>
  Array.from({ length: to - from }, (_, n) =>
    fragment({
      start: (from + n) * LENGTH,
      durations: Array.from({ length: 6 }, () => FRAME),
      keyframe: (from + n - firstKey) % 3 === 0 && from + n >= firstKey,
    }),
  );

/** What of stream fragments 0…9 is in the file, by number, and the times in it. */
function cut(options: {
  start?: number;
  stop?: number;
  startAfter?: number;
  firstKey?: number;
  hold?: number;
}) {
  const { start, stop, startAfter = 0, firstKey = 0, hold } = options;
  const cutter = createCutter();
  if (hold !== undefined) cutter.hold(hold);
  if (stop !== undefined) cutter.stopAt(stop);
  const out = [];
  for (const [n, next] of stream(0, 10, firstKey).entries()) {
    if (n === startAfter && start !== undefined) cutter.startAt(start);
    out.push(...cutter.push(next));
  }
  const origin = cutter.origin ?? 0;
  return {
    numbers: out.map(({ times }) => ((times[0] ?? 0) + origin) / LENGTH),
    first: out[0]?.times[0],
    out,
    cutter,
  };
}

t.test('a file begins at the last key frame at or before the start', async (t) => {
  for (const [start, numbers, why] of [
    [4 * LENGTH + 1, [3, 4, 5, 6, 7, 8, 9], 'inside a fragment'],
    [3 * LENGTH, [3, 4, 5, 6, 7, 8, 9], 'on a key frame'],
    [3 * LENGTH - 1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'just before it'],
    [6 * LENGTH - 1, [3, 4, 5, 6, 7, 8, 9], 'at the end of what it opens'],
    [0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'at the beginning'],
    [-50 * LENGTH, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 'long before there was a camera'],
  ] as const) {
    const { numbers: found, first, cutter } = cut({ start });
    t.same(found, numbers, `start ${why}`);
    t.equal(first, 0, 'its times begin at zero');
    t.equal(cutter.origin, (numbers[0] ?? 0) * LENGTH);
    t.equal(cutter.state, 'inside');
  }
});

t.test('what was before the start is held for it, as far back as wanted', async (t) => {
  const late = { startAfter: 8, start: 4 * LENGTH };
  t.same(cut(late).numbers, [6, 7, 8, 9], 'not wanted: from the last key frame');
  t.same(cut({ ...late, hold: 2 * LENGTH }).numbers, [6, 7, 8, 9], 'the last key frame is old enough');
  t.same(cut({ ...late, hold: 4 * LENGTH }).numbers, [3, 4, 5, 6, 7, 8, 9]);
  t.same(
    cut({ ...late, hold: 60 * LENGTH }).numbers,
    [3, 4, 5, 6, 7, 8, 9],
    'no more than the start asks for',
  );
  t.same(
    cut({ startAfter: 8, start: -9, hold: 60 * LENGTH }).numbers,
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    'all there is',
  );
});

t.test('nothing comes out before the start is reached, or known', async (t) => {
  t.same(cut({}).numbers, [], 'no start');
  t.equal(cut({}).cutter.state, 'before');
  t.equal(cut({}).cutter.origin, undefined);
  t.same(cut({ start: 10 * LENGTH }).numbers, [], 'a start after the last frame');
  t.same(cut({ start: 10 * LENGTH - 1 }).numbers, [9], 'the last fragment reaches it');
  const cutter = createCutter();
  cutter.startAt(4 * LENGTH + 1);
  for (const early of stream(0, 4)) t.same(cutter.push(early), []);
  t.equal(
    cutter.push(stream(4, 5)[0] ?? fragment({ start: 0, durations: [1] })).length,
    2,
    'then at once with its key frame',
  );
});

t.test('a late key frame, and a start that is told late', async (t) => {
  t.same(
    cut({ start: 0, firstKey: 2 }).numbers,
    [2, 3, 4, 5, 6, 7, 8, 9],
    'what cannot be decoded is left out',
  );
  t.same(
    cut({ start: LENGTH, startAfter: 5 }).numbers,
    [3, 4, 5, 6, 7, 8, 9],
    'from the oldest key frame that is kept',
  );
  t.same(cut({ start: 4 * LENGTH, startAfter: 4 }).numbers, [3, 4, 5, 6, 7, 8, 9], 'told in time');
});

t.test('a file ends with the fragment that reaches the stop', async (t) => {
  for (const [stop, numbers, why] of [
    [5 * LENGTH, [3, 4], 'on a border'],
    [5 * LENGTH + 1, [3, 4, 5], 'just after it'],
    [5 * LENGTH - 1, [3, 4], 'just before it'],
    [4 * LENGTH + 2, [3, 4], 'right after the start'],
    [4 * LENGTH + 1, [], 'at the start'],
    [LENGTH, [], 'before the start'],
    [3 * LENGTH + 1, [], 'between key frame and start: pre-roll alone is no recording'],
  ] as const) {
    const { numbers: found, cutter } = cut({ start: 4 * LENGTH + 1, stop });
    t.same(found, numbers, `stop ${why}`);
    t.equal(cutter.state, 'after', `stop ${why}: done`);
  }
  const running = cut({ start: 0 });
  running.cutter.stopAt(2 * LENGTH);
  t.same(
    running.cutter.push(stream(10, 11)[0] ?? running.out[0] ?? fragment({ start: 0, durations: [1] })),
    [],
    'a stop that lies in the past',
  );
  t.equal(running.cutter.state, 'after');
});

t.test('fragments of a file are numbered from one', async (t) => {
  const { out } = cut({ start: 4 * LENGTH });
  t.same(
    out.map(({ bytes }) => {
      const buffer = Buffer.from(bytes);
      return buffer.readUInt32BE(buffer.indexOf('mfhd') + 8);
    }),
    [1, 2, 3, 4, 5, 6, 7],
  );
  t.same(
    out.flatMap(({ times }) => times),
    Array.from({ length: 7 * 6 }, (_, n) => n * FRAME),
  );
});

const tallyOf = (...durations: number[][]) => {
  const tally = createTally({ fps: 30, timescale: 90_000 });
  let start = 0;
  const found = durations.map((each) => {
    const gaps = tally.add(fragment({ start, durations: each }));
    start += each.reduce((sum, duration) => sum + duration, 0);
    return gaps;
  });
  return { tally, found };
};

t.test('frames are counted, and lost ones named', async (t) => {
  const clean = tallyOf([FRAME, FRAME, FRAME], [FRAME]);
  t.match(clean.tally, { frames: 4, droppedFrames: 0, durationUs: 133_333, gaps: [] });

  const inside = tallyOf([FRAME, 4 * FRAME, FRAME]);
  t.match(inside.tally, { frames: 3, droppedFrames: 3, durationUs: 200_000 });
  t.same(inside.tally.gaps, [{ fromUs: 66_667, toUs: 166_667, frames: 3 }]);
  t.same(inside.found, [inside.tally.gaps], 'told when it is seen');

  const between = tallyOf([FRAME, 3 * FRAME], [FRAME]);
  t.same(between.tally.gaps, [{ fromUs: 66_667, toUs: 133_333, frames: 2 }]);
  t.same(between.found, [[], between.tally.gaps], 'a gap at the end of a fragment shows with the next');

  const atEnd = tallyOf([FRAME, 30 * FRAME]);
  t.equal(
    atEnd.tally.durationUs,
    66_667,
    'the last frame lasts one frame, not until the next that never came',
  );
  t.equal(atEnd.tally.droppedFrames, 0);
});

t.test('uneven time stamps are no loss up to one and a half frames', async (t) => {
  t.equal(tallyOf([1.5 * FRAME, FRAME]).tally.droppedFrames, 0, 'exactly one and a half');
  t.equal(tallyOf([1.5 * FRAME + 1, FRAME]).tally.droppedFrames, 1, 'a tick more');
  t.equal(tallyOf([1.5 * FRAME]).tally.durationUs, 50_000, 'a long last frame keeps its length');
  t.equal(tallyOf([2.4 * FRAME, FRAME]).tally.droppedFrames, 1);
  t.equal(tallyOf([2.6 * FRAME, FRAME]).tally.droppedFrames, 2);
  const jitter = tallyOf(Array.from({ length: 90 }, (_, n) => (n % 3 === 0 ? 1.4 * FRAME : 0.8 * FRAME)));
  t.match(jitter.tally, { frames: 90, droppedFrames: 0, durationUs: 3_000_000 }, 'a jittery camera');
  const ntsc = createTally({ fps: 30, timescale: 30_000 });
  ntsc.add(fragment({ start: 0, durations: Array.from({ length: 300 }, () => 1001) }));
  t.match(ntsc, { frames: 300, droppedFrames: 0, durationUs: 10_010_000 }, '29.97 counted as 30');
});

t.test('a storm of gaps is counted, but not kept', async (t) => {
  const { tally, found } = tallyOf(
    Array.from({ length: 251 }, () => 2 * FRAME),
    [2 * FRAME, FRAME],
  );
  t.equal(tally.droppedFrames, 252);
  t.equal(tally.gaps.length, 100);
  t.equal(found.flat().length, 252, 'all are told');
  t.match(createTally({ fps: 30, timescale: 90_000 }), {
    frames: 0,
    droppedFrames: 0,
    durationUs: 0,
    gaps: [],
  });
});

const LOCAL_US = fromWireTime('2024-03-15T14:00:00.040000Z');
const reading = (offset_ms: number | null): ClockReading => ({
  source: offset_ms === null ? 'none' : 'same_kernel',
  offset_ms,
  bound_ms: offset_ms === null ? null : 1,
  ci95_ms: null,
  confidence: 0.5,
  stratum: null,
  last_sync: null,
});
const facts = (over: Partial<RecordingFacts> = {}): RecordingFacts => ({
  identity: {
    sessionId: 'GAME_1',
    sessionUid: '01HS0000000000000000000000',
    cameraId: 'CAM_L',
    position: 'left',
    part: 1,
  },
  journal: {
    file: 'GAME_1_CAM_L_20240315_140000.mp4',
    start_at: '2024-03-15T14:00:00.010000Z',
    base: {
      first_frame_master: '2024-03-15T14:00:00.000000Z',
      first_frame_local: '2024-03-15T14:00:00.040000Z',
      first_frame_mono_us: 5_000_000,
      boot_id: 'boot',
    },
    codec: 'h264',
    fps: 30,
    source: 'test-pattern',
    requested: 'a',
    effective: 'b',
    reason: 'too slow',
    audio: null,
    frame_phase_sync: false,
    lock_view: null,
    overridden_gates: [{ gate: 'clock', level: 'soft', reason: 'unknown' }],
    software_version: '1.2.3',
    hostname: 'cam-l',
  },
  clock: reading(40),
  firstFrame: { localUs: LOCAL_US, masterUs: LOCAL_US - 40_000, monoUs: 5_000_000, bootId: 'boot' },
  startAtUs: fromWireTime('2024-03-15T14:00:00.010000Z'),
  startFrame: { index: 1, skewMs: 23.300000000046566 },
  picture: { width: 1280, height: 720 },
  tally: {
    frames: 298,
    droppedFrames: 2,
    durationUs: 10_000_000,
    gaps: [{ fromUs: 2_000_000, toUs: 2_066_667, frames: 2 }],
  },
  leadingGap: undefined,
  sizeBytes: 5_000_000,
  sha256: 'ab'.repeat(32),
  final: true,
  recovered: false,
  bytesLost: 0,
  timeline: 'GAME_1_CAM_L.timeline.jsonl',
  counts: { encoderRestarts: 0, diskErrors: 0 },
  steps: [{ at: '2024-03-15T14:00:05.000000Z', mono_us: 9_000_000, step_ms: -2000 }],
  beepAt: null,
  ...over,
});

t.test('an offset is local minus master', async (t) => {
  t.equal(masterUs(LOCAL_US, { offset_ms: 40 }), LOCAL_US - 40_000, 'a clock that is ahead is turned back');
  t.equal(masterUs(LOCAL_US, { offset_ms: -0.013 }), LOCAL_US + 13);
  t.equal(masterUs(LOCAL_US, { offset_ms: null }), null, 'and nothing is made up');
});

t.test('a manifest says what was measured, in master time', async (t) => {
  const manifest = buildManifest(facts());
  t.same(TouchlineManifest.parse(manifest), manifest, 'it follows its own schema');
  t.ok(Manifest.safeParse(manifest).success);
  t.match(manifest, {
    recording: { id: 'GAME_1_CAM_L', session_id: 'GAME_1', camera_id: 'CAM_L', position: 'left' },
    file: { name: 'GAME_1_CAM_L_20240315_140000.mp4', size_bytes: 5_000_000, codec: 'h264' },
    video: { resolution: { width: 1280, height: 720 }, fps: 30, bitrate_mbps: 4, duration_sec: 10 },
    timing: {
      start_time: '2024-03-15T14:00:00.000000Z',
      end_time: '2024-03-15T14:00:10.000000Z',
      ntp_synced: false,
      sync_offset_ms: 40,
    },
    checksum: { algorithm: 'sha256', value: 'ab'.repeat(32) },
    device: { hostname: 'cam-l', software_version: '1.2.3' },
    quality: { dropped_frames: 2 },
    touchline: {
      frames: 298,
      first_frame: {
        master: '2024-03-15T14:00:00.000000Z',
        local: '2024-03-15T14:00:00.040000Z',
        mono_us: 5_000_000,
        boot_id: 'boot',
      },
      start_at: '2024-03-15T14:00:00.010000Z',
      start_skew_ms: 23.3,
      start_frame: 1,
      gaps: [
        {
          from: '2024-03-15T14:00:02.000000Z',
          to: '2024-03-15T14:00:02.066667Z',
          frames: 2,
          reason: 'frames lost',
        },
      ],
      overridden_gates: [{ gate: 'clock', level: 'soft', reason: 'unknown' }],
      clock_steps: 1,
      steps: [{ step_ms: -2000 }],
      reason: 'too slow',
      offloaded: false,
      offloaded_at: null,
      final: true,
      recovered: false,
    },
  });
});

const UNKNOWN_OFFSET = {
  clock: reading(null),
  firstFrame: { localUs: LOCAL_US, masterUs: null, monoUs: 5_000_000, bootId: 'boot' },
};

t.test('without a known offset the local clock has to do, and it shows', async (t) => {
  const manifest = buildManifest(facts({ ...UNKNOWN_OFFSET, startFrame: undefined }));
  t.equal(manifest.timing.start_time, '2024-03-15T14:00:00.040000Z');
  t.notOk('sync_offset_ms' in manifest.timing, 'no offset is better than zero');
  t.equal(manifest.touchline.first_frame.master, null);
  t.equal(manifest.touchline.start_skew_ms, null);
  t.ok(TouchlineManifest.safeParse(manifest).success);
});

t.test('missing time before the first frame is a gap like any other', async (t) => {
  const gap = { fromUs: LOCAL_US - 1_040_000, reason: 'the camera failed' };
  t.same(
    buildManifest(facts({ leadingGap: gap })).touchline.gaps[0],
    {
      from: '2024-03-15T13:59:59.000000Z',
      to: '2024-03-15T14:00:00.000000Z',
      frames: 30,
      reason: 'the camera failed',
    },
    'both ends in the time of the manifest',
  );
  t.equal(
    buildManifest(facts({ leadingGap: gap })).quality?.dropped_frames,
    2,
    'lost by the camera, not by the pipeline',
  );
});

t.test('an empty or tiny file has a manifest too', async (t) => {
  const manifest = buildManifest(
    facts({ tally: { frames: 0, droppedFrames: 0, durationUs: 0, gaps: [] }, sizeBytes: 800 }),
  );
  t.match(manifest.video, { bitrate_mbps: 0, duration_sec: 0 });
  t.ok(TouchlineManifest.safeParse(manifest).success);
  const recovered = buildManifest(facts({ recovered: true, final: false, bytesLost: 17 })).touchline;
  t.match(recovered, { recovered: true, final: false, bytes_lost: 17 });
});

t.test('one frame that is missing between two parts is a gap, a beat later than the start is none', (t) => {
  const frameUs = 40_000;
  t.notOk(isGap(0, 0.4 * frameUs, 25), 'jitter');
  t.ok(isGap(0, frameUs, 25), 'one frame');
  t.notOk(isLateStart(0, frameUs, 25), 'a camera has its own beat');
  t.ok(isLateStart(0, 2 * frameUs, 25));
  t.end();
});
