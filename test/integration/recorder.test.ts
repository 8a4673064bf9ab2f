import { createHash } from 'node:crypto';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import { TouchlineManifest } from '#contracts/manifest.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { RecorderState } from '#contracts/states.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import type { Camera } from '#ports/camera/camera.ts';
import { testPattern } from '#ports/camera/test-pattern.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { runProgram } from '#ports/program/program.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import { manualVitals } from '#ports/vitals/manual-vitals.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { readManifests } from '#runtime/manifests.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';
import { findPlace } from '#services/recorder/place.ts';
import { createRecorder } from '#services/recorder/service.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';
import { journalOf } from '../fixtures/housekeeper.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const frames = { width: 1280, height: 144, fps: 30, bitrateMbps: 1, hueDeg: 0, clock };

interface Node {
  readonly bus: Bus;
  readonly disk: Disk;
  state(): RecorderState | undefined;
  until(what: string, condition: (state: RecorderState) => boolean): Promise<RecorderState>;
  /** Ends the recorder as a crash does: its files stay as they are. */
  restart(): Promise<void>;
}

/** One node's recorder, sync-agent and housekeeper on a broker in memory, with a real camera chain. */
async function node(t: Test, parts: { disk: Disk; camera?: Camera }): Promise<Node> {
  const config = NodeConfig.parse({
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    cameras: ['CAM_C'],
    camera: { source: 'test-pattern' },
    recording: { expected_duration_min: 1, queue_mib: 4 },
  });
  const broker = memoryBroker();
  const camera = parts.camera ?? testPattern(frames);
  const busOf = (service: 'recorder' | 'sync-agent' | 'housekeeper' | 'api'): Bus =>
    createBus({ rig: config.rig, node: config.camera_id, service, broker, clock, log });
  const bus = busOf('api');
  const recorder = () => {
    const own = busOf('recorder');
    return group(
      own,
      createRecorder({
        config,
        clock,
        disk: parts.disk,
        state: memoryDisk(1e6),
        camera,
        vitals: manualVitals(),
        updateLock: memoryUpdateLocks().of('recorder'),
        bus: own,
        log,
        version: '0.0.0',
      }),
    );
  };
  const others = ['sync-agent', 'housekeeper'] as const;
  const [syncBus, keeperBus] = others.map(busOf) as [Bus, Bus];
  const rest = group(
    bus,
    syncBus,
    createSyncAgent({ config, clock, bus: syncBus, log }),
    keeperBus,
    createHousekeeper({ config, clock, disk: parts.disk, bus: keeperBus, log, version: '0.0.0' }),
  );
  const signal = new AbortController().signal;
  await rest.start(signal);
  let running = recorder();
  await running.start(signal);
  t.teardown(async () => {
    await running.stop();
    await rest.stop();
  });
  let latest: RecorderState | undefined;
  bus.watchState('recorder', (_node, seen) => {
    latest = seen.online ? seen.state : undefined;
  });
  return {
    bus,
    disk: parts.disk,
    state: () => latest,
    async until(what, condition) {
      const deadline = clock.monoUs() + 20e6;
      for (;;) {
        if (latest && condition(latest)) return latest;
        if (clock.monoUs() > deadline)
          throw new Error(`20 s passed without: ${what}; last state ${JSON.stringify(latest)}`);
        await clock.sleepUntil(clock.monoUs() + 20_000, what);
      }
    },
    async restart() {
      await running.stop();
      running = recorder();
      await running.start(signal);
    },
  };
}

const patient = { timeoutMs: 10_000 };

/** A session as the conductor of a rig of one would run it. */
async function record(on: Node, sessionId: string, seconds: number): Promise<RigSession> {
  const started = await on.bus.request('CAM_C', 'rigStart', { session_id: sessionId }, patient);
  await on.until(`${seconds} s of ${sessionId}`, (state) => (state.recording?.duration_sec ?? 0) >= seconds);
  await on.bus.request('CAM_C', 'rigStop', {}, patient);
  await on.until('idle', (state) => state.state === 'idle' && state.session_uid === null);
  return { session_uid: started.session_uid } as RigSession;
}

async function manifestsOf(disk: Disk): Promise<TouchlineManifest[]> {
  const { manifests, unreadable } = await readManifests(disk);
  if (unreadable.length > 0) throw unreadable[0]?.error;
  return manifests.map(({ manifest }) => manifest);
}

async function newDisk(t: Test): Promise<{ disk: Disk; root: string }> {
  const root = join(t.testdir({}), 'nvme');
  await mkdir(root);
  return { disk: localDisk(root), root };
}

t.test('a recording: file, manifest, hash, counts and burned-in times agree', async (t) => {
  const { disk, root } = await newDisk(t);
  const on = await node(t, { disk });
  t.equal((await on.until('idle', (state) => state.state === 'idle')).camera.present, true);
  await record(on, 'Home', 2);

  const [manifest, ...more] = await manifestsOf(disk);
  if (!manifest) throw new Error('there is no manifest');
  t.equal(more.length, 0, 'one file, one manifest');
  TouchlineManifest.parse(manifest);
  t.match(manifest.file.name, /^Home_CAM_C_\d{8}_\d{6}\.mp4$/);
  const path = join(root, 'recordings/Home/CAM_C', manifest.file.name);
  const bytes = await readFile(path);
  t.equal(bytes.length, manifest.file.size_bytes);
  t.equal(
    createHash('sha256').update(bytes).digest('hex'),
    manifest.checksum.value,
    'the hash made while writing is that of the file',
  );
  const probed = JSON.parse(
    await runProgram('ffprobe', [
      ...['-v', 'error', '-count_frames', '-of', 'json'],
      ...['-show_entries', 'stream=nb_read_frames,width,height,codec_name,start_time,duration', path],
    ]),
  ).streams[0];
  t.equal(Number(probed.nb_read_frames), manifest.touchline.frames, 'every frame decodes');
  t.equal(probed.codec_name, 'h264');
  t.equal(Number(probed.start_time), 0, 'the file begins at zero');
  t.ok(Math.abs(Number(probed.duration) - manifest.video.duration_sec) < 0.002);
  t.equal(manifest.quality?.dropped_frames, 0);
  t.equal(manifest.touchline.final, true);

  const burned = await readBurnedClock(path);
  t.equal(burned.length, manifest.touchline.frames, 'every frame shows its clock');
  const first = fromWireTime(manifest.timing.start_time);
  const worstUs = Math.max(...burned.map(({ ptsUs, epochUs }) => Math.abs(first + ptsUs - epochUs)));
  t.ok(worstUs < 1000, `the manifest's times are those in the pictures, at worst ${worstUs} us off`);
  const startAt = fromWireTime(manifest.touchline.start_at);
  const startFrame = burned[manifest.touchline.start_frame];
  t.ok(
    startFrame && startFrame.epochUs >= startAt - 1000 && startFrame.epochUs < startAt + 34_000,
    'the start frame is the first at or after the start',
  );

  const timeline = (await readFile(join(root, 'manifests/Home/CAM_C', manifest.touchline.timeline), 'utf8'))
    .trim()
    .split('\n');
  t.ok(timeline.length >= 2, 'a timeline row a second');
  t.equal(JSON.parse(timeline.at(-1) ?? '').frame, manifest.touchline.frames);
});

t.test(
  'a session of the same name gets its own folder; a second start is refused with its reason',
  async (t) => {
    const { disk } = await newDisk(t);
    const on = await node(t, { disk });
    await record(on, 'Derby', 0.5);
    const started = await on.bus.request('CAM_C', 'rigStart', { session_id: 'Derby' }, patient);
    await on.until('recording', (state) => state.state === 'recording');
    await t.rejects(on.bus.request('CAM_C', 'rigStart', { session_id: 'Other' }, patient), {
      code: 'already_recording',
      message: /Derby/,
    });
    await t.rejects(
      on.bus.request(
        'CAM_C',
        'start',
        { session_uid: ulid(), start_at: toWireTime(clock.wallUs()) },
        patient,
      ),
      {
        code: 'illegal_transition',
        details: { state: 'recording' },
      },
    );
    await on.bus.request('CAM_C', 'rigStop', {}, patient);
    await on.until('idle', (state) => state.session_uid === null);
    await t.rejects(on.bus.request('CAM_C', 'rigStop', {}, patient), { code: 'not_recording' });
    const paths = (await readManifests(disk)).manifests.map(({ manifestPath }) => manifestPath);
    t.same(
      paths.sort(),
      [
        'manifests/Derby/CAM_C/Derby_CAM_C.json',
        `manifests/Derby~${started.session_uid.slice(-6)}/CAM_C/Derby_CAM_C.json`,
      ].sort(),
    );
  },
);

t.test('a camera that dies is started again into a further part, with the gap in the manifest', async (t) => {
  const { disk } = await newDisk(t);
  const pattern = testPattern(frames);
  let kill: (() => void) | undefined;
  let opened = 0;
  // The real camera, with a hold on its stream: it fails under the recorder, and takes a moment to come back.
  const camera: Camera = {
    ...pattern,
    async open(options) {
      if (opened++ > 0) await clock.sleepUntil(clock.monoUs() + 300_000, 'the camera is back');
      const stream = await pattern.open(options);
      const crash = Promise.withResolvers<undefined>();
      kill = () => crash.resolve(undefined);
      return {
        ...stream,
        ended: Promise.race([
          stream.ended,
          crash.promise.then(() => new TouchlineError('camera_failed', 'the encoder died')),
        ]),
      };
    },
  };
  const on = await node(t, { disk, camera });
  await on.bus.request('CAM_C', 'rigStart', { session_id: 'Crash' }, patient);
  await on.until('a second of video', (state) => (state.recording?.duration_sec ?? 0) > 1);
  kill?.();
  await on.until('the fault', (state) => state.faults.some((fault) => fault.code === 'camera_failed'));
  const again = await on.until(
    'part 2',
    (state) => (state.recording?.part ?? 0) >= 2 && (state.recording?.duration_sec ?? 0) > 0.5,
  );
  t.equal(again.encoder_restarts, 1);
  t.same(again.faults, [], 'what is over is no fault any more');
  await on.bus.request('CAM_C', 'rigStop', {}, patient);
  await on.until('idle', (state) => state.session_uid === null);
  const [one, two] = await manifestsOf(disk);
  t.same([one?.touchline.final, two?.touchline.final], [false, true]);
  t.equal(two?.touchline.encoder_restarts, 1);
  const [gap] = two?.touchline.gaps ?? [];
  t.equal(gap?.from, one?.timing.end_time, 'the gap begins where part 1 ended');
  t.equal(gap?.to, two?.timing.start_time, 'and ends where part 2 began');
  t.ok(gap && fromWireTime(gap.to) - fromWireTime(gap.from) < 2e6, 'restarted within two seconds');
});

t.test('a recorder that ends in the middle comes back into the session with a further part', async (t) => {
  const { disk } = await newDisk(t);
  const on = await node(t, { disk });
  await on.bus.request('CAM_C', 'rigStart', { session_id: 'Back' }, patient);
  await on.until('a second of video', (state) => (state.recording?.duration_sec ?? 0) > 1);
  await on.restart();
  await on.until(
    'part 2',
    (state) => (state.recording?.part ?? 0) >= 2 && (state.recording?.duration_sec ?? 0) > 0.5,
  );
  await on.bus.request('CAM_C', 'rigStop', {}, patient);
  await on.until('idle', (state) => state.session_uid === null);
  t.same(
    (await manifestsOf(disk)).map(({ touchline }) => [touchline.part, touchline.final]),
    [
      [1, false],
      [2, true],
    ],
  );
});

t.test(
  'a disk that fills up: the fault has its name, what was written plays, nothing is lost of it',
  async (t) => {
    const disk = memoryDisk(150_000);
    const on = await node(t, { disk });
    // Six minutes at 1 Mbit/s do not fit: the start says so, and an override cannot help.
    await t.rejects(on.bus.request('CAM_C', 'rigStart', { session_id: 'Full', override: true }, patient), {
      code: 'no_camera_ready',
      message: /GB free .* but 1 minutes need/,
    });
  },
);

t.test('a session goes on in its own folder, whatever has become of the name since', async (t) => {
  const disk = memoryDisk(1e6);
  const [first, second] = [ulid(), ulid()];
  const place = (uid: string) => findPlace(disk, 'CUP', uid, 'CAM_C');
  const lay = async (uid: string, folder: string): Promise<void> => {
    const journal = { ...journalOf('x.mp4', 'run'), session_uid: uid };
    const video = await disk.open(nodeLayout.video(folder, 'CAM_C', 'x.mp4'), 'create');
    await video.append(Buffer.from('what came of it'));
    await disk.replace(nodeLayout.journal(folder, 'CAM_C', 'x.mp4'), JSON.stringify(journal));
  };
  t.same(await place(first), { folder: 'CUP', part: 1 });
  await lay(first, 'CUP');
  const own = `CUP~${second.slice(-6)}`;
  t.same(await place(second), { folder: own, part: 1 }, 'the name is taken');
  await lay(second, own);
  t.same(await place(second), { folder: own, part: 2 });
  await disk.remove(nodeLayout.journal('CUP', 'CAM_C', 'x.mp4'));
  await disk.remove(nodeLayout.video('CUP', 'CAM_C', 'x.mp4'));
  t.same(await place(second), { folder: own, part: 2 }, 'the name is free again');
});

t.test('a disk that is full while recording', async (t) => {
  // Room for the gate, taken away afterwards by something else that writes.
  const disk = memoryDisk(20_000_000);
  const on = await node(t, { disk });
  await on.bus.request('CAM_C', 'rigStart', { session_id: 'Full', override: true }, patient);
  await on.until('half a second of video', (state) => (state.recording?.duration_sec ?? 0) > 0.5);
  const { freeBytes } = await disk.space();
  const hog = await disk.open('hog', 'create');
  await hog.append(Buffer.alloc(freeBytes - 20_000));
  const full = await on.until('the fault', (state) =>
    state.faults.some((fault) => fault.code === 'disk_full'),
  );
  t.equal(full.state, 'recording', 'the session goes on, and tries again');
  await disk.remove('hog');
  await on.until(
    'a further part',
    (state) => (state.recording?.duration_sec ?? 0) > 0.5 && (state.recording?.part ?? 0) > 1,
  );
  await on.bus.request('CAM_C', 'rigStop', {}, patient);
  await on.until('idle', (state) => state.session_uid === null);
  const manifests = await manifestsOf(disk);
  t.ok(manifests.length >= 2);
  for (const manifest of manifests) {
    const chunks: Buffer[] = [];
    for await (const chunk of disk.read(`recordings/Full/CAM_C/${manifest.file.name}`)) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    t.equal(
      createHash('sha256').update(bytes).digest('hex'),
      manifest.checksum.value,
      `part ${manifest.touchline.part} is what its manifest says`,
    );
  }
  t.equal(manifests.at(-1)?.touchline.final, true);
});

t.test('a disk that is too slow loses frames, says so, and goes on at a key frame', async (t) => {
  const disk = memoryDisk(1_000_000_000);
  const on = await node(t, { disk, camera: testPattern({ ...frames, bitrateMbps: 40, height: 720 }) });
  await on.bus.request('CAM_C', 'rigStart', { session_id: 'Slow', override: true }, patient);
  await on.until('recording', (state) => (state.recording?.duration_sec ?? 0) > 0.3);
  const released = Promise.withResolvers<void>();
  disk.setBrake(() => released.promise);
  await on.until('the fault', (state) => state.faults.some((fault) => fault.code === 'disk_too_slow'));
  disk.setBrake(undefined);
  released.resolve();
  await on.until('frames again', (state) => (state.recording?.dropped_frames ?? 0) > 0);
  await on.bus.request('CAM_C', 'rigStop', {}, patient);
  await on.until('idle', (state) => state.session_uid === null);
  const [manifest] = await manifestsOf(disk);
  t.ok((manifest?.touchline.gaps.length ?? 0) > 0, 'the gap is in the manifest');
  t.equal(
    manifest?.touchline.gaps.reduce((sum, gap) => sum + gap.frames, 0),
    manifest?.quality?.dropped_frames,
    'and its frames are all that are missing',
  );
});
