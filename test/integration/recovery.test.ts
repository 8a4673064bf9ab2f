import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import t from 'tap';
import { ulid } from 'ulid';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import type { RigSession } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { startProgram } from '#ports/program/program.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { readManifest, readManifests, writeManifest } from '#runtime/manifests.ts';
import { housekeeper, journalOf } from '../fixtures/housekeeper.ts';
import { recorderBody } from '../fixtures/recorder-state.ts';

/** A fragmented MP4 as the recorder writes it. */
async function film(): Promise<Buffer> {
  const ffmpeg = await startProgram(
    'ffmpeg',
    [
      ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x144:rate=30', '-t', '3'],
      ...['-c:v', 'libx264', '-preset', 'ultrafast', '-tune', 'zerolatency', '-g', '15'],
      ...[
        '-movflags',
        '+empty_moov+default_base_moof+frag_keyframe+skip_trailer',
        '-frag_duration',
        '200000',
        '-f',
        'mp4',
        'pipe:1',
      ],
    ],
    { stdout: 'pipe' },
  );
  const chunks: Buffer[] = [];
  ffmpeg.child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const { code, stderr } = await ffmpeg.ended;
  if (code !== 0) throw new Error(stderr.join('\n'));
  return Buffer.concat(chunks);
}

t.test(
  'recovery finishes what an earlier run left, and leaves alone what the present run writes',
  async (t) => {
    const disk = memoryDisk(50_000_000);
    const whole = await film();
    const leave = async (name: string, bytes: Buffer, runId: string): Promise<void> => {
      const file = await disk.open(nodeLayout.video(name, 'CAM_C', `${name}.mp4`), 'create');
      await file.append(bytes);
      await file.close();
      await disk.replace(
        nodeLayout.journal(name, 'CAM_C', `${name}.mp4`),
        JSON.stringify({ ...journalOf(`${name}.mp4`, runId), session_id: name }),
      );
    };
    const keeper = await housekeeper(t, disk);
    await leave('Cut', whole.subarray(0, Math.floor(whole.length * 0.6)), 'before');
    await leave('Zeros', Buffer.concat([whole, Buffer.alloc(4096)]), 'before');
    await leave('Nothing', Buffer.alloc(0), 'before');
    await leave('Garbage', Buffer.from('this is no video at all'), 'before');
    await leave('Mine', whole.subarray(0, 50_000), keeper.bus.runId);
    await disk.replace(nodeLayout.journal('Broken', 'CAM_C', 'Broken.mp4'), '{"v": 1, ');
    keeper.bus.setState('recorder', recorderBody());
    await keeper.until('all four are done', async () => {
      const journals = (await disk.list('recordings')).filter(({ path }) => path.endsWith('.journal.json'));
      return journals.length === 2;
    });
    const { manifests } = await readManifests(disk);
    t.same(
      manifests.map(({ manifest }) => manifest.recording.session_id).sort(),
      ['Cut', 'Zeros'],
      'what has pictures has a manifest',
    );
    for (const { manifest } of manifests) {
      const name = manifest.recording.session_id;
      const chunks: Buffer[] = [];
      for await (const chunk of disk.read(nodeLayout.video(name, 'CAM_C', `${name}.mp4`))) chunks.push(chunk);
      const bytes = Buffer.concat(chunks);
      t.equal(bytes.length, manifest.file.size_bytes, `${name}: cut to its last whole fragment`);
      t.ok(whole.subarray(0, bytes.length).equals(bytes), 'and nothing else was changed');
      t.equal(createHash('sha256').update(bytes).digest('hex'), manifest.checksum.value);
      t.match(manifest.touchline, { recovered: true, final: true, start_frame: 6 });
    }
    const zeros = manifests.find(({ manifest }) => manifest.recording.session_id === 'Zeros')?.manifest;
    t.match(zeros?.touchline, { frames: 90, bytes_lost: 4096 }, 'every frame before the zeros is there');
    const left = (await disk.list('recordings'))
      .filter(({ path }) => path.endsWith('.journal.json'))
      .map(({ path }) => path);
    t.same(left.sort(), [
      nodeLayout.journal('Broken', 'CAM_C', 'Broken.mp4'),
      nodeLayout.journal('Mine', 'CAM_C', 'Mine.mp4'),
    ]);
  },
);

t.test('what a crash leaves of several parts adds up, whatever was finished when', async (t) => {
  const disk = memoryDisk(50_000_000);
  const whole = await film();
  const uid = ulid();
  const startUs = 1_710_511_200_000_000;
  const at = (seconds: number): string => toWireTime(startUs + seconds * 1e6);
  const name = (part: number): string => `p${part}.mp4`;
  const manifestPath = (part: number): string => nodeLayout.manifest('Cup', 'Cup', 'CAM_C', part);
  const timeline = (part: number): string =>
    `${nodeLayout.manifestFolder('Cup', 'CAM_C')}/${nodeLayout.timelineName('Cup', 'CAM_C', part)}`;
  /** A part of three seconds that began so many seconds after the start. */
  const leave = async (part: number, fromSec: number, bytes: Buffer): Promise<void> => {
    const video = await disk.open(nodeLayout.video('Cup', 'CAM_C', name(part)), 'create');
    await video.append(bytes);
    await video.close();
    await disk.replace(timeline(part), '');
    const journal = journalOf(name(part), 'before');
    await disk.replace(
      nodeLayout.journal('Cup', 'CAM_C', name(part)),
      JSON.stringify({
        ...journal,
        session_uid: uid,
        part,
        start_at: at(0),
        base: { ...journal.base, first_frame_local: at(fromSec) },
        gap_reason: part === 1 ? null : 'the camera failed',
      }),
    );
  };
  const manifestOf = async (part: number): Promise<TouchlineManifest> => {
    const found = await readManifest(disk, manifestPath(part));
    if (!found) throw new Error(`there is no manifest of part ${part}`);
    return found;
  };
  const files = async (): Promise<string[]> =>
    (await disk.list('recordings')).map(({ path }) => basename(path)).sort();

  const first = await housekeeper(t, disk);
  await leave(1, 0, whole);
  await leave(2, 5, whole);
  await leave(3, 8.5, Buffer.alloc(0));
  await leave(4, 9, Buffer.alloc(8192));
  const session: RigSession = {
    v: 1,
    session_uid: uid,
    session_id: 'Cup',
    revision: 2,
    state: 'recording',
    conductor: 'CAM_C',
    start_at: at(0),
    stop_at: null,
    max_duration_sec: 3600,
    cameras: [],
    updated_at: at(0),
  };
  first.bus.setSession(session);
  first.bus.setState('recorder', recorderBody());
  await first.until('two are done', async () => (await files()).length === 6);
  const empty = ['p3.mp4', 'p3.mp4.journal.json', 'p4.mp4', 'p4.mp4.journal.json'];
  t.same(
    await files(),
    ['p1.mp4', 'p2.mp4', ...empty],
    'those in which nothing is are the recorder’s, while it goes on',
  );
  t.same((await manifestOf(1)).touchline.gaps, []);
  await first.until('both are described', async () => (await disk.list('manifests')).length === 6);
  t.match((await manifestOf(2)).touchline, {
    final: false,
    gaps: [{ from: at(3), to: at(5), frames: 60, reason: 'the camera failed' }],
  });

  // Part 2 was described first: what it says of the time before it was all it could know.
  const second = await manifestOf(2);
  await writeManifest(disk, {
    manifestPath: manifestPath(2),
    manifest: {
      ...second,
      touchline: {
        ...second.touchline,
        gaps: [{ from: at(0), to: at(5), frames: 150, reason: 'the recorder was started again' }],
        offloaded: true,
      },
    },
  });
  await disk.remove(nodeLayout.video('Cup', 'CAM_C', name(1)));
  await disk.remove(manifestPath(1));
  await leave(1, 0, whole.subarray(0, Math.floor(whole.length * 0.9)));
  // Of part 5 only the removal of the journal was missing, when the power failed.
  const third = { ...second, file: { ...second.file, name: name(5) } };
  await leave(5, 10, whole);
  await writeManifest(disk, {
    manifestPath: manifestPath(5),
    manifest: {
      ...third,
      touchline: { ...second.touchline, part: 5, recovered: false, encoder_restarts: 7 },
    },
  });
  const again = await housekeeper(t, disk);
  again.bus.setSession({ ...session, revision: 3, state: 'stopped', stop_at: at(12) });
  again.bus.setState('recorder', { ...recorderBody(), session_uid: null });
  await again.until('all are done', async () => (await files()).every((file) => file.endsWith('.mp4')));
  t.same(await files(), ['p1.mp4', 'p2.mp4', 'p5.mp4'], 'afterwards they are nobody’s');
  t.notOk(
    (await disk.list('manifests')).some(({ path }) => path.includes('.p4.')),
    'with all that belongs to them',
  );
  await again.until('the session is closed', async () => (await manifestOf(5)).touchline.final);
  const [one, two, five] = [await manifestOf(1), await manifestOf(2), await manifestOf(5)];
  t.ok(one.timing.end_time < at(3) && one.touchline.recovered);
  t.notOk(one.touchline.final || two.touchline.final, 'others follow them');
  t.match(
    two.touchline,
    { gaps: [{ from: one.timing.end_time, to: at(5) }], offloaded: false, final: false },
    'the part after it says where the gap begins now, and is brought home again',
  );
  t.match(
    five.touchline,
    { recovered: false, encoder_restarts: 7, gaps: [{}, { from: five.timing.end_time, to: at(12) }] },
    'what was described stays; the camera was gone before the stop',
  );
});

t.test('a disk that cannot take the manifest now is asked again', async (t) => {
  const memory = memoryDisk(50_000_000);
  const clock = manualClock();
  let refused = 0;
  let refuses = true;
  const disk: Disk = {
    ...memory,
    async replace(path, text) {
      if (refuses && path.startsWith('manifests/')) {
        refused++;
        throw new TouchlineError('disk_full', `cannot write ${path}: no space left`);
      }
      await memory.replace(path, text);
    },
  };
  const keeper = await housekeeper(t, disk, {}, { clock });
  let told: string | undefined;
  keeper.bus.watchEvents((_node, name, event) => {
    if (name === 'recording/fault' && 'error' in event) told = event.error.code;
  });
  const video = await memory.open(nodeLayout.video('Cup', 'CAM_C', 'a.mp4'), 'create');
  await video.append(await film());
  await video.close();
  const journal = nodeLayout.journal('Cup', 'CAM_C', 'a.mp4');
  await memory.replace(journal, JSON.stringify(journalOf('a.mp4', 'before')));
  keeper.bus.setState('recorder', recorderBody());
  const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + 15_000;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`15 s passed without: ${what}`);
      await setImmediate();
    }
  };
  await until('the disk refuses', () => refused === 1);
  await until('that is told', () => told === 'disk_full');
  refuses = false;
  await clock.advance(61_000);
  await until('a manifest', async () => (await readManifests(disk)).manifests.length === 1);
  await until('no journal', async () => (await readText(disk, journal)) === undefined);
});

/** A whole film and the journal of a run that nobody knows. */
async function leaveFilm(disk: Disk): Promise<{ video: string; bytes: Buffer }> {
  const video = nodeLayout.video('Cup', 'CAM_C', 'a.mp4');
  const whole = await film();
  const bytes = whole.subarray(0, Math.floor(whole.length * 0.6));
  const file = await disk.open(video, 'create');
  await file.append(bytes);
  await file.close();
  await disk.replace(
    nodeLayout.journal('Cup', 'CAM_C', 'a.mp4'),
    JSON.stringify(journalOf('a.mp4', 'other')),
  );
  return { video, bytes };
}

const sizeOf = async (disk: Disk, path: string): Promise<number | undefined> =>
  (await disk.list('recordings')).find((entry) => entry.path === path)?.sizeBytes;

t.test('a file that grows while it is looked at is left alone for now', async (t) => {
  const memory = memoryDisk(50_000_000);
  const clock = manualClock();
  const { video, bytes } = await leaveFilm(memory);
  let grows = true;
  const disk: Disk = {
    ...memory,
    async *read(path, ...where) {
      yield* memory.read(path, ...where);
      if (path !== video || !grows) return;
      const file = await memory.open(path, 'existing');
      await file.append(Buffer.alloc(10));
    },
  };
  const keeper = await housekeeper(t, disk, {}, { clock });
  let told: string | undefined;
  keeper.bus.watchEvents((_node, name, event) => {
    if (name === 'recording/fault' && 'error' in event) told = event.error.message;
  });
  keeper.bus.setState('recorder', recorderBody());
  const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
    const deadline = performance.now() + 15_000;
    while (!(await condition())) {
      if (performance.now() > deadline) throw new Error(`15 s passed without: ${what}`);
      await setImmediate();
    }
  };
  await until('that is told', () => told !== undefined);
  t.match(told, /a\.mp4 is still being written/);
  t.equal(await sizeOf(memory, video), bytes.length + 10, 'nothing is cut off');
  t.same((await readManifests(memory)).manifests, []);
  grows = false;
  await clock.advance(61_000);
  await until('a manifest', async () => (await readManifests(memory)).manifests.length === 1);
});

t.test('while nobody knows which run of the recorder writes, no file is touched', async (t) => {
  const memory = memoryDisk(50_000_000);
  const broker = memoryBroker();
  const { video, bytes } = await leaveFilm(memory);
  const gate = Promise.withResolvers<void>();
  let listed = 0;
  const disk: Disk = {
    ...memory,
    async list(folder) {
      // Queued with the recorder there; by its turn that is gone.
      if (folder === nodeLayout.recordings && listed++ === 0) await gate.promise;
      return memory.list(folder);
    },
  };
  const clock = systemClock();
  const busOf = (service: 'recorder' | 'api') =>
    createBus({
      ...{ rig: 'test', node: 'CAM_C' as const, service, broker, clock },
      log: createLogger({ name: 'test', level: 'silent' }),
    });
  const [observer, first, second] = [busOf('api'), busOf('recorder'), busOf('recorder')];
  const keeper = await housekeeper(t, disk, {}, { broker });
  for (const bus of [observer, first]) await bus.start(new AbortController().signal);
  t.teardown(() => observer.stop());
  t.teardown(() => second.stop());
  let online: boolean | undefined;
  let recovering: boolean | undefined;
  observer.watchState('recorder', (_node, seen) => {
    online = seen.online;
  });
  observer.watchState('housekeeper', (_node, seen) => {
    recovering = seen.online ? seen.state.recovering : undefined;
  });
  first.setState('recorder', recorderBody());
  await keeper.until('recovery begins', () => listed > 0);
  await first.stop();
  await keeper.until('the recorder is gone', () => online === false);
  gate.resolve();
  await keeper.until('it is put off', () => recovering === false);
  t.equal(await sizeOf(memory, video), bytes.length);
  t.same((await readManifests(memory)).manifests, []);

  await second.start(new AbortController().signal);
  second.setState('recorder', recorderBody());
  await keeper.until('a manifest', async () => (await readManifests(memory)).manifests.length === 1);
});
