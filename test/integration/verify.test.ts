import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { PassThrough } from 'node:stream';
import type { Test } from 'tap';
import t from 'tap';
import { centralLayout, nodeLayout } from '#contracts/layout.ts';
import type { TimelineRow, TouchlineManifest } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import { beepSamples } from '#domain/alignment/beep.ts';
import { CLOCK_PATTERN, clockPatternRow } from '#domain/clock-pattern/clock-pattern.ts';
import { startProgram } from '#ports/program/program.ts';
import { runCommandLine } from '../../cli/program.ts';
import { additionsOf, manifestOf, tempFolder } from '../fixtures/central.ts';

const START_US = Date.UTC(2024, 2, 15, 14) * 1000;
const RATE_HZ = 48_000;
const FPS = 30;
const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;
type CameraName = (typeof CAMERAS)[number];

interface Take {
  readonly camera: CameraName;
  readonly part?: number;
  readonly final?: boolean;
  /** When its first frame really was exposed, microseconds after 14:00:00. */
  readonly startUs: number;
  readonly frames?: number;
  /** How much more than that the manifest, and the timeline, say. */
  readonly liesUs?: number;
  readonly timelineLiesUs?: number;
  readonly boundMs?: number | null;
  readonly clock?: boolean;
  /** When the beep reaches its microphone, microseconds after 14:00:00. */
  readonly heardUs?: number;
  readonly bootId?: string;
  /** What its microphone hears besides, from 14:00:00 on; silence when left out. */
  readonly crowd?: Float32Array;
  /** Of the clock that its pictures show. */
  readonly localAheadUs?: number;
  readonly source?: string;
  readonly uid?: string;
}

const UID = '01HZZZZZZZZZZZZZZZZZZZZZZA';

/** Films one take with the muxer flags of a node, through real encoders. */
async function film(path: string, take: Take): Promise<void> {
  const { frames = 45, clock = true, startUs, localAheadUs = 0 } = take;
  const { widthPx } = CLOCK_PATTERN;
  const heightPx = 32;
  mkdirSync(dirname(path), { recursive: true });
  const sound = `${path}.raw`;
  const hears = take.heardUs !== undefined || take.crowd !== undefined;
  if (hears) writeFileSync(sound, heard(take, frames / FPS));
  const encoder = await startProgram(
    'ffmpeg',
    [
      ...['-v', 'error', '-y', '-f', 'rawvideo', '-pix_fmt', 'gray', '-s', `${widthPx}x${heightPx}`],
      ...['-r', String(FPS), '-i', 'pipe:0'],
      ...(!hears
        ? []
        : ['-f', 'f32le', '-ar', String(RATE_HZ), '-ac', '1', '-i', sound, '-c:a', 'aac', '-b:a', '64k']),
      ...['-vf', 'scale=in_range=tv:out_range=tv', '-c:v', 'libx264', '-preset', 'ultrafast', '-bf', '0'],
      ...['-g', '15', '-pix_fmt', 'yuv420p', '-video_track_timescale', '90000'],
      ...['-movflags', '+empty_moov+default_base_moof+frag_keyframe+delay_moov'],
      ...['-frag_duration', '200000', path],
    ],
    { stdin: 'pipe' },
  );
  const { stdin } = encoder.child;
  for (let n = 0; n < frames && stdin; n++) {
    const row = clock
      ? clockPatternRow(Math.round(START_US + startUs + localAheadUs + (n * 1e6) / FPS))
      : new Uint8Array(widthPx).fill(60 + (n % 90));
    if (!stdin.write(Buffer.concat(Array.from({ length: heightPx }, () => row)))) await once(stdin, 'drain');
  }
  stdin?.end();
  const { code, stderr } = await encoder.ended;
  if (code !== 0) throw new Error(stderr.join(' '));
}

/** What a microphone hears: a beep, an echo of it, a crowd, and noise of its own (the same in each run). */
function heard({ heardUs, startUs, crowd }: Take, seconds: number): Buffer {
  const samples = new Float32Array(Math.ceil(seconds * RATE_HZ));
  const from = Math.round((startUs * RATE_HZ) / 1e6);
  let state = 42 + startUs;
  for (let n = 0; n < samples.length; n++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    samples[n] = 0.1 * (state / 2 ** 32 - 0.5) + (crowd?.[from + n] ?? 0);
  }
  if (heardUs === undefined) return Buffer.from(samples.buffer);
  // Made at ten times the rate, so that it can begin between two samples.
  const fine = beepSamples(10 * RATE_HZ);
  for (const [delayUs, level] of [
    [0, 0.3],
    [11_000, 0.2],
  ] as const) {
    const begin = ((heardUs - startUs + delayUs) * RATE_HZ) / 1e6;
    for (let n = Math.ceil(begin); n < Math.min(samples.length, begin + fine.length / 10); n++)
      samples[n] = (samples[n] ?? 0) + level * (fine[Math.round((n - begin) * 10)] ?? 0);
  }
  return Buffer.from(samples.buffer);
}

const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex');

/** One take as it lies on a node's storage, with manifest and timeline. */
async function record(root: string, take: Take, session = 'GAME'): Promise<string> {
  const { camera, part = 1, frames = 45, startUs, liesUs = 0, timelineLiesUs = 0, boundMs = 1 } = take;
  const said = START_US + startUs + liesUs;
  const name = `${session}_${camera}_${part}.mp4`;
  const path = join(root, nodeLayout.video(session, camera, name));
  await film(path, take);
  const base = manifestOf(
    {
      ...{ path, sizeBytes: readFileSync(path).length, sha256: sha256(path) },
      ...{ width: 1280, height: 32, seconds: frames / FPS },
    },
    { session, camera, start: toWireTime(said) },
  );
  const localUs = START_US + startUs + (take.localAheadUs ?? 0);
  const additions = additionsOf(base, {
    ...{ uid: take.uid ?? UID, part, final: take.final ?? true, master: toWireTime(said) },
  });
  const timeline = nodeLayout.timelineName(session, camera, part);
  const manifest: TouchlineManifest = {
    ...base,
    file: { ...base.file, name },
    touchline: {
      ...additions,
      timeline,
      source: take.source ?? 'test-pattern',
      start_at: toWireTime(START_US),
      first_frame: {
        master: toWireTime(said),
        local: toWireTime(localUs),
        mono_us: 5_000_000,
        boot_id: take.bootId ?? 'one',
      },
      clock: { ...additions.clock, source: 'exchange', bound_ms: boundMs },
      beep_at: take.heardUs === undefined ? null : toWireTime(START_US + 1e6),
    },
  };
  const rows = Array.from(
    { length: Math.floor(frames / FPS) },
    (_, n): TimelineRow => ({
      mono_us: 5_000_000 + n * 1e6,
      local: toWireTime(localUs + n * 1e6),
      master: toWireTime(START_US + startUs + timelineLiesUs + n * 1e6),
      ...{ offset_ms: 0, bound_ms: boundMs, ci95_ms: 0.1, frame: n * FPS, pts_us: n * 1e6, bytes: 1 },
    }),
  );
  const manifestPath = join(root, nodeLayout.manifest(session, manifest.recording.session_id, camera, part));
  mkdirSync(dirname(manifestPath), { recursive: true });
  writeFileSync(manifestPath, JSON.stringify(manifest));
  writeFileSync(
    join(dirname(manifestPath), timeline),
    rows.map((row) => `${JSON.stringify(row)}\n`).join(''),
  );
  return manifestPath;
}

interface Verified {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

async function verify(cwd: string, ...args: string[]): Promise<Verified> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  let code = 0;
  await runCommandLine(
    {
      ...{ env: process.env, cwd, root: process.cwd(), node: process.execPath, superuser: false },
      ...{ stdin, stdout, stderr },
      exit(value) {
        code = value;
      },
    },
    ['verify', ...args],
  );
  return { code, out: String(stdout.read() ?? ''), err: String(stderr.read() ?? '') };
}

/** Three cameras that began within one frame of each other. */
const STARTS = { CAM_L: 100_000, CAM_C: 112_345, CAM_R: 125_000 } as const;
const allThree = (each: (camera: CameraName) => Partial<Take> = () => ({})): Take[] =>
  CAMERAS.map((camera) => ({ camera, startUs: STARTS[camera], ...each(camera) }));

async function recorded(t: Test, takes: readonly Take[]): Promise<string> {
  const root = await tempFolder(t);
  await Promise.all(takes.map((take) => record(root, take)));
  return root;
}

t.test('three cameras whose pictures and sound say what their clocks say', async (t) => {
  const root = await recorded(
    t,
    allThree((camera) => ({ heardUs: 1_000_000 + { CAM_L: 0, CAM_C: 400, CAM_R: 1000 }[camera] })),
  );
  const told = await verify(root, join(root, 'recordings/GAME'));
  t.equal(told.code, 0, told.out + told.err);
  t.match(told.out, /agree within their uncertainties/);
  const { code, out } = await verify(root, 'GAME', '--storage', root, '--json');
  t.equal(code, 0);
  const report = JSON.parse(out);
  t.equal(report.verdict, 'agree');
  const [pair] = report.pairs;
  t.same(
    pair.files.map(({ camera_id }: { camera_id: string }) => camera_id),
    ['CAM_L', 'CAM_C'],
  );
  const near = (found: number, wanted: number, within: number, what: string): void =>
    void t.ok(Math.abs(found - wanted) <= within, `${what}: ${found}, ${wanted} is right`);
  near(pair.by_clock.offset_ms, 12.345, 1e-6, 'by clock');
  near(pair.by_pixels.offset_ms, 12.345, 0.02, 'by pixels');
  near(pair.by_sound.offset_ms, 12.345 - 0.4, 0.02, 'by sound, which was on its way');
  t.ok(pair.by_sound.uncertainty_ms > 2 / 0.343, 'for which the distance allows');
  near(pair.drift_by_pixels.drift_ms, 0, 0.05, 'drift');
});

t.test('a manifest that lies by 40 ms is named', async (t) => {
  const root = await recorded(
    t,
    allThree((camera) => (camera === 'CAM_R' ? { liesUs: 40_000 } : {})),
  );
  const { code, out } = await verify(root, join(root, 'manifests/GAME'));
  t.equal(code, 1);
  t.match(out, /CAM_C → CAM_R: the clocks claim \+40\.0\d\d ms more than by pixels/);
  t.match(out, /CAM_C → CAM_R: the clocks claim \+40\.0\d\d ms more than by timeline/);
  t.match(out, /The claim of CAM_R alone explains it/);
  t.notMatch(out, /CAM_L → CAM_C: the clocks/);
});

t.test('each node has its own storage, and central all of it', async (t) => {
  const roots = await Promise.all(allThree().map(async (take) => ({ take, root: await tempFolder(t) })));
  const central = await tempFolder(t);
  for (const { take, root } of roots) {
    const manifestPath = await record(root, take);
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'));
    const stored = join(central, centralLayout.video('GAME', take.camera, 1));
    mkdirSync(dirname(stored), { recursive: true });
    copyFileSync(join(root, nodeLayout.video('GAME', take.camera, manifest.file.name)), stored);
    copyFileSync(manifestPath, join(central, centralLayout.manifest('GAME', take.camera, 1)));
  }
  const storage = roots.flatMap(({ root }) => ['--storage', root]);
  const nodes = await verify(central, 'GAME', ...storage, '--json');
  t.equal(nodes.code, 0, nodes.err);
  t.equal(JSON.parse(nodes.out).pairs.length, 3);
  const home = await verify(central, 'sessions/GAME', '--json');
  t.equal(home.code, 0, home.err);
  const { files, pairs } = JSON.parse(home.out);
  t.same(
    [files[0].timeline_rows, pairs[0].by_timeline],
    [0, null],
    'no timeline comes home with a manifest alone',
  );
  const both = await verify(central, 'GAME', ...storage, '--storage', central, '--json');
  t.equal(JSON.parse(both.out).files.length, 3, 'a copy is the same file');
  t.ok(JSON.parse(both.out).files[0].timeline_rows > 0, 'with the timeline of either');
});

t.test('without a clock in the pictures and without sound there is no proof', async (t) => {
  const root = await recorded(
    t,
    allThree(() => ({ clock: false })),
  );
  const { code, out } = await verify(root, 'recordings/GAME');
  t.equal(code, 2);
  t.match(out, /There is no independent proof in this recording: only what the clocks claim\./);
  t.match(out, /CAM_L → CAM_C +\+12\.345 ±2\.000/);
  const alone = await recorded(t, [{ camera: 'CAM_C', startUs: 0 }]);
  const one = await verify(alone, 'recordings/GAME');
  t.equal(one.code, 2);
  t.match(one.out, /no two cameras recorded at the same time/);
});

t.test('without a beep, what both microphones heard is compared', async (t) => {
  let state = 7;
  const steps = Float32Array.from({ length: 4 * RATE_HZ }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32 - 0.5;
  });
  const crowd = steps.map((_, n) => steps.subarray(n, n + 6).reduce((sum, value) => sum + value / 6, 0));
  const root = await recorded(
    t,
    allThree((camera) => ({
      ...{ clock: false, crowd, frames: 75, boundMs: 0.1, timelineLiesUs: camera === 'CAM_R' ? 30_000 : 0 },
      liesUs: camera === 'CAM_R' ? 30_000 : 0,
    })),
  );
  const { code, out } = await verify(root, 'recordings/GAME', '--apart', '0', '--json');
  t.equal(code, 1);
  const { pairs, suspect } = JSON.parse(out);
  t.ok(Math.abs(pairs[0].by_sound.offset_ms - 12.345) < 0.05, `${pairs[0].by_sound.offset_ms} ms`);
  t.same(suspect, { camera_id: 'CAM_R', part: 1 }, 'a manifest and a timeline that lie alike are found out');
});

t.test('what is missing or broken is named', async (t) => {
  const root = await recorded(t, [
    ...allThree((camera) => (camera === 'CAM_R' ? { final: false } : {})),
    { camera: 'CAM_R', part: 3, startUs: 9e6 },
    { camera: 'CAM_L', part: 2, startUs: 9e6 },
    { camera: 'CAM_C', part: 2, startUs: 9e6, final: false },
  ]);
  const video = (camera: CameraName, part: number): string =>
    join(root, nodeLayout.video('GAME', camera, `GAME_${camera}_${part}.mp4`));
  const bytes = readFileSync(video('CAM_L', 1));
  bytes[bytes.length - 9] = (bytes.at(-9) ?? 0) ^ 1;
  writeFileSync(video('CAM_L', 1), bytes);
  truncateSync(video('CAM_L', 2), 900);
  rmSync(video('CAM_R', 3));
  const manifests = join(root, 'manifests/GAME');
  writeFileSync(join(manifests, 'CAM_C/GAME_CAM_C.timeline.jsonl'), '{"mono_us":1}\n{"cut o');
  writeFileSync(join(manifests, 'CAM_C/GAME_CAM_C.p9.json'), '{"version":"1.0"}');
  writeFileSync(join(manifests, 'CAM_C/GAME_CAM_C.p8.json'), '{');
  writeFileSync(video('CAM_C', 7), 'x');
  const { code, out } = await verify(root, 'manifests/GAME');
  t.equal(code, 1);
  for (const words of [
    /GAME_CAM_L_1\.mp4: its SHA-256 is not that of its manifest: it was changed/,
    /GAME_CAM_L_2\.mp4: it has 900 bytes, its manifest says \d+/,
    /GAME_CAM_L_2\.mp4: .*cannot be read/,
    /GAME_CAM_R_3\.mp4: the video is not there/,
    /! CAM_R: part 2 is missing/,
    /! CAM_C: part 2 is not its last: more is to come/,
    /CAM_C\.timeline\.jsonl: row 1 of the timeline cannot be read: row 1: local/,
    /CAM_C\.p9\.json: the manifest: recording/,
    /CAM_C\.p8\.json: the manifest is not JSON/,
    /GAME_CAM_C_7\.mp4: there is no manifest of this video/,
    /Something of the session is missing or broken: see above\./,
  ])
    t.match(out, words);
  const { verdict, problems } = JSON.parse((await verify(root, 'manifests/GAME', '--json')).out);
  t.equal(verdict, 'broken');
  t.equal(problems.length, 10);
});

t.test('what is not there, or not clear, is said', async (t) => {
  const root = await tempFolder(t);
  await record(root, { camera: 'CAM_L', startUs: 0, frames: 3 });
  const other = await tempFolder(t);
  await record(other, { camera: 'CAM_L', startUs: 0, frames: 3, uid: '01HZZZZZZZZZZZZZZZZZZZZZZB' });
  const none = await verify(root, 'FINAL', '--storage', root);
  t.equal(none.code, 1);
  t.match(none.err, /there are no recordings of FINAL\n.*--storage/);
  t.match((await verify(root, 'GAME', '--storage', 'nowhere')).err, /there is no folder .*nowhere/);
  t.match((await verify(root, 'GAME', '--apart', 'x')).err, /--apart x is not a distance/);
  const two = await verify(root, 'GAME', '--storage', root, '--storage', other);
  t.equal(two.code, 1);
  t.match(two.err, /2 sessions are called GAME\nName the folder of one: /);
  const named = await verify(root, join(root, 'manifests/GAME'), '--storage', other, '--json');
  t.equal(JSON.parse(named.out).files.length, 1, 'a folder that is named says which');
});

t.test(
  'pictures of several machines prove the way to the file, where timelines tell how their clocks stood',
  async (t) => {
    const root = await recorded(
      t,
      allThree((camera) => ({ bootId: camera, localAheadUs: { CAM_L: 0, CAM_C: 7e6, CAM_R: -3e6 }[camera] })),
    );
    const told = await verify(root, 'recordings/GAME');
    t.equal(told.code, 0, told.out);
    t.match(
      told.out,
      /clocks of several machines: this proves the way from exposure to file, not the clocks/,
    );
    rmSync(join(root, 'manifests/GAME/CAM_R/GAME_CAM_R.timeline.jsonl'));
    const without = await verify(root, 'recordings/GAME');
    t.equal(without.code, 2);
    t.match(without.out, /CAM_R shows the clock of its own machine, and no timeline tells how that stood/);
    t.match(without.out, /No independent proof for CAM_R: only what the clocks claim/);
  },
);
