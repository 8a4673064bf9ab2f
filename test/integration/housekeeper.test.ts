import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { type ErrorCode, TouchlineError, toProblem } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { Journal, TouchlineManifest } from '#contracts/manifest.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { OffloadItem } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { buildManifest } from '#domain/recording/manifest.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { startProgram } from '#ports/program/program.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { readManifest, readManifests, writeManifest } from '#runtime/manifests.ts';
import { createHousekeeper } from '#services/housekeeper/service.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const UNSYNCED = {
  source: 'none',
  offset_ms: null,
  bound_ms: null,
  ci95_ms: null,
  confidence: 0,
  stratum: null,
  last_sync: null,
} as const;

/** What central answers to one request, in order; the last answer stays. `hang-up` cuts the connection in the middle. */
type Answer = 'ok' | 'hang-up' | 'other-hash' | ErrorCode;

interface FakeCentral {
  readonly url: string;
  readonly uploads: { sha256: string; fields: string }[];
  readonly confirms: number;
}

/** The wire of central, with answers to order; what it receives is kept. */
async function central(t: Test, answers: { upload: Answer[]; confirm: Answer[] }): Promise<FakeCentral> {
  const uploads: { sha256: string; fields: string }[] = [];
  let confirms = 0;
  const next = (list: Answer[]): Answer => (list.length > 1 ? list.shift() : list[0]) ?? 'ok';
  const refuse = (response: ServerResponse, code: ErrorCode): void => {
    const problem = toProblem(new TouchlineError(code, `refused with ${code}`));
    response
      .writeHead(problem.status, { 'content-type': 'application/problem+json' })
      .end(JSON.stringify(problem));
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const answer = next(request.url?.endsWith('/confirm') ? answers.confirm : answers.upload);
    if (answer === 'hang-up') {
      request.once('data', () => request.socket.destroy());
      return;
    }
    const body = Buffer.from(await text(request.setEncoding('latin1')), 'latin1');
    const held = uploads.at(-1)?.sha256 ?? '';
    if (request.url?.endsWith('/confirm')) {
      confirms++;
      if (answer !== 'ok' && answer !== 'other-hash') return refuse(response, answer);
      const { session_id, camera_id, session_uid, part } = JSON.parse(body.toString());
      const checksum_sha256 = answer === 'ok' ? held : '0'.repeat(64);
      response.end(
        JSON.stringify({
          success: true,
          session_id,
          camera_id,
          session_uid,
          part,
          file_size: 1,
          checksum_sha256,
        }),
      );
      return;
    }
    const start = body.indexOf('\r\n\r\n', body.indexOf('filename=')) + 4;
    const end = body.lastIndexOf('\r\n--');
    uploads.push({
      sha256: createHash('sha256').update(body.subarray(start, end)).digest('hex'),
      fields: body.subarray(0, start).toString(),
    });
    if (answer !== 'ok' && answer !== 'other-hash') return refuse(response, answer);
    response.end(
      JSON.stringify({
        success: true,
        recording_id: 'x',
        file_size: end - start,
        checksum_verified: true,
        session_uid: ulid(),
        stored_as: 'x',
        already_there: false,
        renamed: false,
      }),
    );
  };
  const server = createServer((request, response) => {
    handle(request, response).catch((error: unknown) => response.destroy(error as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    uploads,
    get confirms() {
      return confirms;
    },
  };
}

interface Keeper {
  readonly bus: Bus;
  items(): OffloadItem[];
  until(what: string, condition: () => boolean | Promise<boolean>): Promise<void>;
}

async function housekeeper(t: Test, disk: Disk, offload: object = {}): Promise<Keeper> {
  const config = NodeConfig.parse({
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    cameras: ['CAM_C'],
    camera: { source: 'test-pattern' },
    offload: { retry_delay_sec: 0.02, ...offload },
  });
  const broker = memoryBroker();
  const busOf = (service: 'housekeeper' | 'recorder'): Bus =>
    createBus({ rig: 'test', node: 'CAM_C', service, broker, clock, log });
  const bus = busOf('recorder');
  const own = busOf('housekeeper');
  const keeper = createHousekeeper({ config, clock, disk, bus: own, log, version: '0.0.0' });
  const signal = new AbortController().signal;
  await bus.start(signal);
  await own.start(signal);
  await keeper.start(signal);
  let items: OffloadItem[] = [];
  bus.watchState('housekeeper', (_node, seen) => {
    if (seen.online) items = seen.state.offload;
  });
  t.teardown(async () => {
    await keeper.stop();
    await own.stop();
    await bus.stop();
  });
  return {
    bus,
    items: () => items,
    async until(what, condition) {
      const deadline = clock.monoUs() + 15e6;
      while (!(await condition())) {
        if (clock.monoUs() > deadline)
          throw new Error(`15 s passed without: ${what}; ${JSON.stringify(items)}`);
        await clock.sleepUntil(clock.monoUs() + 10_000, what);
      }
    },
  };
}

/** A recording on the disk whose bytes only have to have the right hash. */
async function recording(
  disk: Disk,
  bytes = Buffer.from('0123456789'.repeat(300_000)),
): Promise<{ manifest: TouchlineManifest; manifestPath: string }> {
  const file = 'Cup_CAM_C_20240315_140000.mp4';
  const video = await disk.open(nodeLayout.video('Cup', 'CAM_C', file), 'create');
  await video.append(bytes);
  await video.close();
  const manifest = buildManifest({
    identity: { sessionId: 'Cup', sessionUid: ulid(), cameraId: 'CAM_C', position: 'center', part: 1 },
    journal: journalOf(file, ulid()),
    clock: UNSYNCED,
    firstFrame: { localUs: 1_710_511_200_000_000, monoUs: 1, bootId: 'b' },
    startAtUs: 1_710_511_200_000_000,
    startFrame: { index: 0, skewMs: 0 },
    picture: { width: 1280, height: 720 },
    tally: { frames: 30, droppedFrames: 0, durationUs: 1_000_000, gaps: [] },
    leadingGap: undefined,
    sizeBytes: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    final: true,
    recovered: false,
    bytesLost: 0,
    timeline: 'x.timeline.jsonl',
    counts: { encoderRestarts: 0, diskErrors: 0, clockSteps: 0 },
  });
  const manifestPath = nodeLayout.manifest('Cup', 'Cup', 'CAM_C', 1);
  await writeManifest(disk, { manifest, manifestPath });
  return { manifest, manifestPath };
}

function journalOf(file: string, runId: string): Journal {
  return {
    v: 1,
    run_id: runId,
    session_id: 'Cup',
    session_uid: ulid(),
    camera_id: 'CAM_C',
    position: 'center',
    part: 1,
    file,
    start_at: toWireTime(1_710_511_200_200_000),
    base: { first_frame_local: toWireTime(1_710_511_200_000_000), first_frame_mono_us: 1, boot_id: 'b' },
    codec: 'h264',
    fps: 30,
    source: 'test-pattern',
    requested: 'h264 640x144@30',
    effective: 'h264 640x144@30',
    clock: UNSYNCED,
    overridden_gates: [],
    software_version: '0.0.0',
    hostname: 'h',
  };
}

const patient = { timeoutMs: 5000 };

t.test(
  'tried again after a refused connection, a cut, a 5xx, a wrong checksum and a confirm that disagrees',
  async (t) => {
    const disk = memoryDisk(50_000_000);
    const { manifest, manifestPath } = await recording(disk);
    const server = await central(t, {
      upload: ['hang-up', 'shutting_down', 'checksum_mismatch', 'ok'],
      confirm: ['other-hash', 'ok'],
    });
    const keeper = await housekeeper(t, disk, { server_url: server.url });
    await keeper.bus.request('CAM_C', 'offload', {}, patient);
    await keeper.until(
      'offloaded',
      async () => (await readManifest(disk, manifestPath))?.touchline.offloaded === true,
    );
    await keeper.until('the state says so', () => keeper.items()[0]?.state === 'offloaded');
    t.match(keeper.items(), [{ state: 'offloaded', attempt: 5, error: null }], 'the fifth attempt');
    t.equal(server.uploads.length, 4, 'sent whole four times, the cut one not');
    for (const { sha256 } of server.uploads)
      t.equal(sha256, manifest.checksum.value, 'the same bytes each time');
    t.match(
      server.uploads[0]?.fields,
      /name="session_uid"\r\n\r\n[0-9A-Z]{26}\r\n/,
      'text fields come before the file',
    );
    t.equal(server.confirms, 2);
  },
);

t.test('after five attempts it has failed, visibly; on demand it goes again', async (t) => {
  const disk = memoryDisk(50_000_000);
  const { manifestPath } = await recording(disk);
  const server = await central(t, { upload: ['shutting_down'], confirm: ['ok'] });
  const keeper = await housekeeper(t, disk, { server_url: server.url });
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until('failed', () => keeper.items()[0]?.state === 'failed');
  t.match(keeper.items(), [{ attempt: 5, error: { code: 'shutting_down' } }]);
  t.equal(server.uploads.length, 5);
  t.equal((await readManifest(disk, manifestPath))?.touchline.offloaded, false);
  t.same(await keeper.bus.request('CAM_C', 'offload', {}, patient), { queued: 1 });
});

t.test('a server that is not there is a fault with its address', async (t) => {
  const disk = memoryDisk(50_000_000);
  await recording(disk);
  const keeper = await housekeeper(t, disk, { server_url: 'http://127.0.0.1:9', retry_count: 2 });
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until('failed', () => keeper.items()[0]?.state === 'failed');
  t.match(keeper.items(), [
    { attempt: 2, error: { code: 'central_unreachable', message: /127\.0\.0\.1:9/ } },
  ]);
});

t.test('what central refuses for good is not sent again by itself', async (t) => {
  const disk = memoryDisk(50_000_000);
  await recording(disk);
  const server = await central(t, { upload: ['invalid_manifest'], confirm: ['ok'] });
  const keeper = await housekeeper(t, disk, { server_url: server.url, upload_on_record_stop: true });
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until('failed', () => keeper.items()[0]?.state === 'failed');
  t.match(keeper.items(), [{ attempt: 1, error: { code: 'invalid_manifest' } }]);
  keeper.bus.emit('recording/finished', {
    session_uid: ulid(),
    session_id: 'Other',
    part: 1,
    manifest: 'x',
    recovered: false,
  });
  await keeper.bus.request('CAM_C', 'offload', { session_uid: ulid() }, patient);
  t.equal(server.uploads.length, 1, 'one attempt, and none more');
});

t.test('a file that changed on the disk is kept and not sent', async (t) => {
  const disk = memoryDisk(50_000_000);
  const { manifest } = await recording(disk);
  const file = await disk.open(nodeLayout.video('Cup', 'CAM_C', manifest.file.name), 'existing');
  await file.append(Buffer.from('!'));
  const server = await central(t, { upload: ['ok'], confirm: ['ok'] });
  const keeper = await housekeeper(t, disk, { server_url: server.url, retry_count: 1 });
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until('failed', () => keeper.items()[0]?.state === 'failed');
  t.match(keeper.items(), [{ error: { code: 'disk_failed', message: /SHA-256/ } }]);
  t.equal(server.uploads.length, 0);
});

t.test('nowhere to bring it: the command says which setting is missing', async (t) => {
  const keeper = await housekeeper(t, memoryDisk(1_000_000));
  await t.rejects(keeper.bus.request('CAM_C', 'offload', {}, patient), {
    code: 'configuration_invalid',
    field: 'offload.server_url',
  });
});

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
    keeper.bus.setState('recorder', {
      boot_id: 'b',
      state: 'idle',
      recording: null,
      session_uid: null,
      camera: {
        source: 'test-pattern',
        present: true,
        width: 640,
        height: 144,
        fps: 30,
        codec: 'h264',
        reason: null,
      },
      disk: { present: true, free_bytes: 1, total_bytes: 1, minutes_left: 1 },
      gates: [],
      faults: [],
      encoder_restarts: 0,
      disk_errors: 0,
    });
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
