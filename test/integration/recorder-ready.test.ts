import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t from 'tap';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { testPattern } from '#ports/camera/test-pattern.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { runProgram } from '#ports/program/program.ts';
import { manualVitals } from '#ports/vitals/manual-vitals.ts';
import { readManifests } from '#runtime/manifests.ts';
import { startMicrophone } from '../fixtures/microphone.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';
import { FRAMES, type RecordingNode, recordingNode } from '../fixtures/recording-node.ts';

/** What a recorder can do before a match, and what of it reaches the recording. */

const clock = systemClock();
const PATIENT = { timeoutMs: 30_000 };
const NODE = 'CAM_C';

async function onlyManifest({ disk }: RecordingNode): Promise<TouchlineManifest> {
  const { manifests } = await readManifests(disk);
  const [first] = manifests;
  if (!first || manifests.length !== 1) throw new Error(`${manifests.length} manifests`);
  return first.manifest;
}

const filesIn = async ({ disk }: RecordingNode, folder: string): Promise<string[]> =>
  (await disk.list(folder)).map(({ path }) => path);

t.test('armed, the camera runs, and the recording begins with what was before the press', async (t) => {
  const on = await recordingNode(t, {
    settings: { recording: { expected_duration_min: 1, pre_roll_sec: 2 } },
  });
  const armed = await on.bus.request(NODE, 'arm', {}, PATIENT);
  t.equal(armed.state, 'armed');
  const state = await on.until('armed', (each) => each.state === 'armed');
  t.equal(state.armed_until, armed.armed_until, 'when it expires is published');
  t.ok(fromWireTime(armed.armed_until) > clock.wallUs() + 29 * 60e6);
  await t.rejects(on.bus.request(NODE, 'selfTest', { seconds: 2 }, PATIENT), {
    code: 'illegal_transition',
    message: /self-test.*armed/,
  });

  // Long enough for the camera to have shown more than is to be kept.
  await clock.sleepUntil(clock.monoUs() + 4e6, 'a camera that runs');
  const { start_at } = await on.start('EARLY');
  await on.until('a second after the start', (each) => (each.recording?.duration_sec ?? 0) >= 3);
  await on.stop();

  const { touchline, file, timing } = await onlyManifest(on);
  const startUs = fromWireTime(start_at);
  const preRollSec = (startUs - fromWireTime(timing.start_time)) / 1e6;
  t.ok(preRollSec >= 2 && preRollSec < 2.6, `${preRollSec} s of before the start are in the file`);
  t.ok(touchline.start_frame >= 60, 'and the manifest says which frame the start is');
  t.same(touchline.gaps, [], 'the hand-over lost nothing');
  const shown = await readBurnedClock(join(on.disk.root, nodeLayout.video('EARLY', NODE, file.name)));
  t.equal(shown.length, touchline.frames);
  const apart = shown.slice(1).map(({ epochUs }, n) => epochUs - (shown[n]?.epochUs ?? 0));
  t.ok(
    apart.every((us) => us > 20_000 && us < 47_000),
    `each frame follows the one before, across the hand-over too: ${Math.max(...apart)} us at most`,
  );
  const atStart = shown[touchline.start_frame]?.epochUs ?? 0;
  t.ok(atStart >= startUs - 1000 && atStart < startUs + 35_000, 'the frame of the start shows the start');
});

t.test('arming is refused where it does not fit, can be taken back, and expires', async (t) => {
  const on = await recordingNode(t, {
    settings: { recording: { expected_duration_min: 1, armed_min: 0.03 } },
  });
  await t.rejects(on.bus.request(NODE, 'disarm', {}, PATIENT), { code: 'illegal_transition' });
  await on.bus.request(NODE, 'arm', {}, PATIENT);
  t.equal((await on.bus.request(NODE, 'disarm', {}, PATIENT)).state, 'idle');

  await on.bus.request(NODE, 'arm', {}, PATIENT);
  await on.until('armed', (each) => each.state === 'armed');
  const after = await on.until('disarmed by itself', (each) => each.state === 'idle');
  t.equal(after.armed_until, null);

  await on.start('MATCH');
  await on.until('recording', (each) => each.state === 'recording');
  await t.rejects(
    on.bus.request(NODE, 'arm', {}, PATIENT),
    { code: 'illegal_transition', details: { state: 'recording' } },
    'the state it was refused in is told',
  );
  await t.rejects(on.bus.request(NODE, 'audio', { enabled: true }, PATIENT), { code: 'illegal_transition' });
  await on.stop();
});

t.test('an armed camera that fails is opened again, and the start records all the same', async (t) => {
  const pattern = testPattern(FRAMES);
  let breakNow: (() => void) | undefined;
  const camera: Camera = {
    ...pattern,
    async open(options) {
      const stream = await pattern.open(options);
      const broken = Promise.withResolvers<TouchlineError>();
      breakNow = () => broken.resolve(new TouchlineError('camera_failed', 'the ribbon came loose'));
      return { ...stream, ended: Promise.race([stream.ended, broken.promise]) };
    },
  };
  const on = await recordingNode(t, { camera });
  await on.bus.request(NODE, 'arm', {}, PATIENT);
  await on.until('armed', (each) => each.state === 'armed');
  while (!breakNow) await clock.sleepUntil(clock.monoUs() + 20_000, 'an open camera');
  breakNow();
  await on.until('the fault is told', (each) => each.faults.some(({ code }) => code === 'camera_failed'));
  await on.until('and over once it shows something again', (each) => each.faults.length === 0);
  await on.start('AFTER');
  await on.until('recording', (each) => (each.recording?.duration_sec ?? 0) > 1);
  await on.stop();
  const { manifests } = await readManifests(on.disk);
  t.equal(manifests[0]?.manifest.touchline.part, 1);
  t.ok((manifests[0]?.manifest.touchline.frames ?? 0) > 0);
});

t.test('a self-test records, reads back, decodes and deletes', async (t) => {
  const on = await recordingNode(t);
  // A machine that was held up by something else is rightly found too slow: of three one passes.
  let result = await on.bus.request(NODE, 'selfTest', { seconds: 2 }, PATIENT);
  for (let n = 0; n < 2 && !result.passed; n++)
    result = await on.bus.request(NODE, 'selfTest', { seconds: 2 }, PATIENT);
  t.same(result.findings, []);
  t.match(result, { passed: true, decodable: true, dropped_frames: 0, seconds: 2, expected_frames: 60 });
  t.ok(result.frames >= 58 && result.frames <= 72, `${result.frames} frames`);
  t.ok((result.disk_write_mbps ?? 0) > 3);
  t.same((await on.until('published', (each) => each.self_test !== null)).self_test, result);
  t.same(await filesIn(on, nodeLayout.selfTest), [], 'nothing stays');
  t.same(await filesIn(on, nodeLayout.recordings), [], 'and it is no recording');
});

t.test('a start does not wait for a self-test, nor does a self-test begin in a session', async (t) => {
  const on = await recordingNode(t);
  const test = on.bus.request(NODE, 'selfTest', { seconds: 60 }, { timeoutMs: 60_000 });
  const refused = t.rejects(test, { code: 'illegal_transition', message: /given up: a session begins/ });
  await clock.sleepUntil(clock.monoUs() + 1e6, 'a self-test under way');
  await on.start('MATCH');
  await refused;
  await on.until('recording', (each) => (each.recording?.duration_sec ?? 0) > 0.5);
  await t.rejects(on.bus.request(NODE, 'selfTest', { seconds: 2 }, PATIENT), { code: 'illegal_transition' });
  await on.stop();
  t.ok((await readManifests(on.disk)).manifests.length > 0, 'it was recorded');
});

t.test('a self-test that finds something says what, in words', async (t) => {
  const slow = testPattern({ ...FRAMES, fps: 10 });
  const camera: Camera = {
    ...testPattern(FRAMES),
    // It promises 30 frames a second and delivers 10.
    open: (options) => slow.open(options),
  };
  const on = await recordingNode(t, { camera });
  const result = await on.bus.request(NODE, 'selfTest', { seconds: 2 }, PATIENT);
  t.equal(result.passed, false);
  t.match(result.findings.join('; '), /frames were lost|too slow/);
});

t.test('a rung that drops frames is stepped down from, into a further file that says why', async (t) => {
  const heavy = { ...FRAMES, codec: 'h264', rung: 'x264-superfast' } as const;
  const light = { ...heavy, fps: 20, rung: 'x264-ultrafast' } as const;
  let exposures = 0;
  let late = false;
  // Two of five frames find no room.
  const crowded: Clock = {
    ...clock,
    async sleepUntil(...args) {
      await clock.sleepUntil(...args);
      late = exposures++ % 5 < 2;
    },
    monoUs() {
      const nowUs = clock.monoUs() + (late ? 3_000_000 : 0);
      late = false;
      return nowUs;
    },
  };
  const [slow, quick] = [
    testPattern({ ...FRAMES, clock: crowded }),
    testPattern({ ...FRAMES, fps: light.fps }),
  ];
  const camera: Camera = {
    source: 'test-pattern',
    live: true,
    probe: async () => ({ requested: 'h264 1280x144@30', profiles: [heavy, light] }),
    // An encoder that makes some of the frames it is given, and another.
    open: (options) => (options.profile.rung === heavy.rung ? slow : quick).open(options),
  };
  const on = await recordingNode(t, { camera });
  const told: unknown[] = [];
  on.bus.watchEvents((_node, name, event) => {
    if (name === 'recording/profile') told.push(event);
  });
  await on.start('STRAIN');
  const state = await on.until('the lighter rung records', (each) => each.recording?.part === 2);
  t.match(state.profile, { effective: 'h264 1280x144@20', reason: /stepped down.*frames were lost/ });
  t.match(told, [{ from: 'h264 1280x144@30', to: 'h264 1280x144@20' }]);
  await on.stop();
  const { manifests } = await readManifests(on.disk);
  const [first, second] = manifests.map(({ manifest }) => manifest.touchline);
  t.match(first, { part: 1, effective: 'h264 1280x144@30', reason: null });
  t.match(second, {
    part: 2,
    requested: 'h264 1280x144@30',
    effective: 'h264 1280x144@20',
    reason: /stepped down from h264 1280x144@30/,
    gaps: [{ reason: /stepped down/ }],
  });
});

t.test('Lock View keeps a full picture, and the manifest of the match that follows names it', async (t) => {
  const on = await recordingNode(t);
  const view = await on.bus.request(NODE, 'lockView', {}, PATIENT);
  t.match(view, { width: FRAMES.width, height: FRAMES.height });
  const jpeg = await readFile(join(on.disk.root, nodeLayout.lockView(view.file)));
  t.equal(jpeg.subarray(0, 2).toString('hex'), 'ffd8', 'a JPEG');
  t.equal(createHash('sha256').update(jpeg).digest('hex'), view.sha256);
  await on.record('MATCH', 0.5);
  t.same((await onlyManifest(on)).touchline.lock_view, view);
});

t.test(
  'sound is switched on between recordings, and a microphone that is not there costs no picture',
  async (t) => {
    const before = process.env.ALSA_CONFIG_PATH;
    t.teardown(() => {
      if (before === undefined) delete process.env.ALSA_CONFIG_PATH;
      else process.env.ALSA_CONFIG_PATH = before;
    });
    const microphone = await startMicrophone(t.testdir({}), clock);
    t.teardown(() => microphone.stop());
    const on = await recordingNode(t, {
      settings: { recording: { expected_duration_min: 1 }, audio: { device: microphone.device } },
    });
    await on.record('MUTE', 0.5);
    await on.bus.request(NODE, 'audio', { enabled: true }, PATIENT);
    await on.until('switched on', (each) => each.audio.enabled);
    await on.start('HEARD');
    const state = await on.until(
      'sound',
      ({ recording, audio }) => (recording?.duration_sec ?? 0) > 1 && audio.track !== null,
    );
    t.match(state.audio, { enabled: true, track: { codec: 'aac', sample_rate_hz: 48_000, channels: 1 } });
    await on.stop();
    const manifests = (await readManifests(on.disk)).manifests.map(({ manifest }) => manifest);
    const of = (session: string) => manifests.find(({ recording }) => recording.session_id === session);
    t.equal(of('MUTE')?.touchline.audio, null);
    t.same(of('HEARD')?.touchline.audio, state.audio.track);
    const path = nodeLayout.video('HEARD', NODE, of('HEARD')?.file.name ?? '');
    const tracks = await runProgram('ffprobe', [
      ...['-v', 'error', '-show_entries', 'stream=codec_name', '-of', 'csv=p=0', join(on.disk.root, path)],
    ]);
    t.same(tracks.trim().split('\n'), ['h264', 'aac'], 'pictures first, then their sound');

    const deaf = await recordingNode(t, {
      settings: {
        recording: { expected_duration_min: 1 },
        audio: { enabled: true, device: 'no-such-microphone' },
      },
    });
    await deaf.start('DEAF');
    const told = await deaf.until('the reason for the silence', (each) => each.audio.silent !== null);
    t.match(told.audio.silent, /no-such-microphone|microphone/);
    await deaf.until('pictures all the same', (each) => (each.recording?.frames ?? 0) > 20);
    await deaf.stop();
  },
);

t.test('a hot node asks to be asked twice, and the manifest says that it was', async (t) => {
  const vitals = manualVitals();
  vitals.set({ celsius: 84, battery: { percent: 12, charging: false } });
  const on = await recordingNode(t, { vitals });
  const gates = (await on.until('looked at', (each) => each.gates.length === 2)).gates;
  t.match(gates, [
    { gate: 'battery', level: 'note', reason: /12 %/ },
    { gate: 'temperature', level: 'soft', reason: /84 °C/ },
  ]);
  const start = { session_id: 'HOT' };
  await t.rejects(on.bus.request(NODE, 'rigStart', start, PATIENT), { message: /84 °C/ });
  await on.bus.request(NODE, 'rigStart', { ...start, override: true }, PATIENT);
  await on.until('recording', (each) => (each.recording?.duration_sec ?? 0) > 0.3);
  await on.stop();
  t.match((await onlyManifest(on)).touchline.overridden_gates, [{ gate: 'temperature', level: 'soft' }]);
});

t.test('previews are switched off and on, and Lock View does not mind', async (t) => {
  const on = await recordingNode(t);
  const picture = (): Promise<Response> => fetch(`${on.url}/api/v1/preview.jpg`);
  t.equal((await picture()).status, 200);
  await on.bus.request(NODE, 'preview', { enabled: false }, PATIENT);
  t.equal((await on.until('off', (each) => each.preview.state === 'off')).preview.reason, 'switched off');
  const refused = await picture();
  t.equal(refused.status, 503);
  t.match(await refused.json(), { code: 'preview_unavailable', message: /switched off/ });
  t.ok((await on.bus.request(NODE, 'lockView', {}, PATIENT)).sha256);
  await on.bus.request(NODE, 'preview', { enabled: true }, PATIENT);
  t.equal((await picture()).status, 200);
});

t.test('each of it has a door for those who only speak HTTP', async (t) => {
  const on = await recordingNode(t);
  const post = async (path: string, body?: object): Promise<{ status: number; said: unknown }> => {
    const response = await fetch(`${on.url}${path}`, {
      method: 'POST',
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
    return { status: response.status, said: await response.json() };
  };
  t.match(await post('/api/v1/arm'), { status: 200, said: { state: 'armed' } });
  t.match(await post('/api/v1/arm', {}), { status: 200 }, 'asked again it lasts from now');
  t.match(await post(`/api/v1/rig/cameras/${NODE}/disarm`), { status: 200, said: { state: 'idle' } });
  t.match(await post('/api/v1/disarm'), { status: 409, said: { code: 'illegal_transition' } });
  t.match(await post('/api/v1/selftest', { seconds: 2 }), {
    status: 200,
    said: { seconds: 2, expected_frames: 60 },
  });
  t.match(await post('/api/v1/selftest', { seconds: 1 }), { status: 400, said: { field: 'seconds' } });
  t.match(await post('/api/v1/lock-view'), { status: 200, said: { width: FRAMES.width } });
  t.match(await post('/api/v1/preview', { enabled: true }), { status: 200, said: { enabled: true } });
  t.match(await post('/api/v1/audio'), { status: 400, said: { code: 'invalid_field' } });
  t.match(await post('/api/v1/rig/cameras/CAM_X/arm'), { status: 404, said: { code: 'not_found' } });
});
