import t from 'tap';
import { ulid } from 'ulid';
import { TouchlineError } from '#contracts/errors.ts';
import { fragmentReader } from '#domain/fmp4/fragments.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Disk, DiskFile } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { createPart, type PartRecorder } from '#services/recorder/part.ts';
import { createWriter } from '#services/recorder/writer.ts';
import { UNSYNCED } from '../fixtures/housekeeper.ts';
import { fragment, initialisation } from '../fixtures/mp4-boxes.ts';

const clock = systemClock();
const PAYLOAD = Buffer.alloc(1000, 'x');
const FRAGMENT_BYTES = fragment({ start: 0, durations: [9000, 9000], payload: PAYLOAD }).bytes.length;
const PROFILE = {
  width: 640,
  height: 360,
  fps: 10,
  codec: 'h264',
  bitrateMbps: 1,
  rung: 'x264-ultrafast',
} as const;

/** A part that is fed by hand: ten frames a second, a key frame and a thousand bytes in each fragment of 0.2 s. */
function handFed(
  disk: Disk,
  number = 1,
  originMonoUs = clock.monoUs(),
): { part: PartRecorder; feed(count: number): void; faults: TouchlineError[] } {
  const faults: TouchlineError[] = [];
  const profile = { ...PROFILE, fps: 10 };
  const part = createPart({
    disk,
    clock,
    folder: 'Cup',
    identity: {
      sessionId: 'Cup',
      sessionUid: ulid(),
      cameraId: 'CAM_C',
      position: 'center',
      part: number,
    },
    profile: { requested: 'x', profile, reason: null },
    audio: null,
    lockView: null,
    preRollUs: 0,
    source: 'hand',
    runId: ulid(),
    version: '0.0.0',
    hostname: 'h',
    overriddenGates: [],
    queueLimitBytes: 5 * FRAGMENT_BYTES,
    syncIntervalMs: 50,
    rig: { reading: () => UNSYNCED, masterOfMono: () => undefined },
    gapReason: 'x',
    encoderRestarts: 0,
    diskErrors: 0,
    beepAt: () => null,
    onGap: () => undefined,
    onDiskFault: (error) => faults.push(error),
  });
  const [head] = [...fragmentReader().push(initialisation())];
  if (head?.kind !== 'initialisation') throw new Error('the hand-made head is none');
  part.start(originMonoUs, Math.round(clock.wallUs()));
  part.opened({ initialisation: head, originMonoUs, frameSynced: () => false });
  let fed = 0;
  return {
    part,
    faults,
    feed(count) {
      for (const last = fed + count; fed < last; fed++)
        part.fragment(fragment({ start: fed * 18_000, durations: [9000, 9000], payload: PAYLOAD }));
    },
  };
}

t.test('parts that begin within one second have videos, journals and manifests of their own', async (t) => {
  const disk = memoryDisk(1e6);
  const nowUs = clock.monoUs();
  const one = handFed(disk, 1, nowUs);
  const two = handFed(disk, 2, nowUs);
  for (const { part, feed } of [one, two]) {
    feed(2);
    while (part.progress?.frames !== 4) await clock.sleepUntil(clock.monoUs() + 1000, 'its frames');
  }
  // The first one is never finished: its recorder was killed.
  const done = await two.part.finish(false);
  const names = (await disk.list('recordings')).map(({ path }) => path.split('/').at(-1) ?? '');
  const videos = names.filter((name) => name.endsWith('.mp4'));
  t.equal(videos.length, 2);
  t.same(
    names.filter((name) => !name.endsWith('.mp4')),
    [`${videos[0]}.journal.json`],
  );
  t.match(done?.manifest, { file: { name: videos[1] }, touchline: { part: 2, frames: 4 } });
  await one.part.finish(false);
});

t.test('what comes before the file is open waits, as long as there is room for it', async (t) => {
  const disk = memoryDisk(1e6);
  const opens = Promise.withResolvers<void>();
  const slow: Disk = {
    ...disk,
    async open(path, how) {
      await opens.promise;
      return disk.open(path, how);
    },
  };
  const { part, feed, faults } = handFed(slow);
  feed(8);
  t.same(
    faults.map(({ code }) => code),
    ['disk_too_slow'],
    'a queue that is full has a name, once',
  );
  opens.resolve();
  while (part.progress?.frames !== 8) await clock.sleepUntil(clock.monoUs() + 1000, 'what waited');
  feed(2);
  const done = await part.finish(true);
  t.match(done?.manifest.touchline, {
    frames: 12,
    gaps: [{ frames: 8, reason: 'frames lost' }],
  });
});

t.test('a disk that is full in the middle: the manifest is of what the file has', async (t) => {
  const disk = memoryDisk(1e6);
  const { part, feed, faults } = handFed(disk);
  feed(2);
  while (part.progress?.frames !== 4) await clock.sleepUntil(clock.monoUs() + 1000, 'two fragments');
  const { freeBytes } = await disk.space();
  const hog = await disk.open('hog', 'create');
  await hog.append(Buffer.alloc(freeBytes - 1.5 * FRAGMENT_BYTES));
  feed(3);
  t.match(await part.complete, { code: 'disk_full' });
  await disk.remove('hog');
  const done = await part.finish(false);
  const { touchline, file, video } = done?.manifest ?? {};
  t.match([touchline?.frames, video?.duration_sec], [6, 0.6]);
  const videos = (await disk.list('recordings')).filter(({ path }) => path.endsWith('.mp4'));
  t.same(
    videos.map(({ sizeBytes }) => sizeBytes),
    [file?.size_bytes],
  );
  t.match(faults, [{ code: 'disk_full' }]);
});

/** A file on a disk, some of whose ways are others. */
const fileWith = async (ways: Partial<DiskFile>): Promise<DiskFile> => ({
  ...(await memoryDisk(1e6).open('film.mp4', 'create')),
  ...ways,
});

t.test('a writer tells what the disk took, and whether it is certain', async (t) => {
  const settings = { queueLimitBytes: 1e6, syncIntervalMs: 50, clock };
  const block = Buffer.alloc(1000, 'x');
  const full = new TouchlineError('disk_full', 'no space left');
  const broken = new TouchlineError('disk_failed', 'input/output error');

  let appended = 0;
  let synced = 0;
  const filling = await fileWith({
    async append() {
      if (appended === 2) throw full;
      appended++;
    },
    async sync() {
      synced++;
    },
  });
  const failures: unknown[] = [];
  const written: number[] = [];
  const onto = (file: DiskFile) =>
    createWriter({ ...settings, file, onFailure: (error) => failures.push(error) });
  const writer = onto(filling);
  for (let n = 0; n < 5; n++)
    t.ok(
      writer.push(block, () => written.push(n)),
      'taken into the queue',
    );
  const done = await writer.finish();
  t.equal(done.sizeBytes, 2000, 'the disk took two of five');
  t.same(written, [0, 1], 'and those were told');
  t.same(failures, [full]);
  t.ok(synced > 0, 'what a full disk took is synced all the same');
  t.notOk(writer.push(block), 'it takes no more');

  const failing = await fileWith({ sync: () => Promise.reject(broken) });
  const doubtful = onto(failing);
  doubtful.push(block);
  await t.rejects(doubtful.finish(), broken, 'what a disk has after a failed sync nobody knows');

  const sync = Promise.withResolvers<void>();
  const late: number[] = [];
  const stuck = createWriter({
    ...settings,
    file: await fileWith({ sync: () => sync.promise }),
    onFailure: (error) => failures.push(error),
    onLate: (seconds) => {
      late.push(seconds);
      sync.resolve();
    },
  });
  stuck.push(block);
  await sync.promise;
  t.equal((await stuck.finish()).sizeBytes, 1000);
  t.equal(late.length, 1, 'a disk that keeps nothing for seconds is told, once, and goes on');
  t.ok((late[0] ?? 0) >= 2);
});
