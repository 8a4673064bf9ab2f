import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { type ErrorCode, TouchlineError, toProblem } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { buildManifest } from '#domain/recording/manifest.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { readManifest, writeManifest } from '#runtime/manifests.ts';

import { housekeeper, journalOf, UNSYNCED } from '../fixtures/housekeeper.ts';

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
    firstFrame: { localUs: 1_710_511_200_000_000, masterUs: null, monoUs: 1, bootId: 'b' },
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
    counts: { encoderRestarts: 0, diskErrors: 0 },
    steps: [],
    beepAt: null,
  });
  const manifestPath = nodeLayout.manifest('Cup', 'Cup', 'CAM_C', 1);
  await writeManifest(disk, { manifest, manifestPath });
  return { manifest, manifestPath };
}

async function readBack(disk: Disk, manifestPath: string): Promise<{ manifest: TouchlineManifest }> {
  const manifest = await readManifest(disk, manifestPath);
  if (!manifest) throw new Error(`${manifestPath} is gone`);
  return { manifest };
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
    t.notMatch(server.uploads[0]?.fields, /name="(timeline|marks)"/, 'there is none');

    const name = nodeLayout.timelineName('Cup', 'CAM_C', 1);
    await disk.replace(`${nodeLayout.manifestFolder('Cup', 'CAM_C')}/${name}`, '{"row":1}\n');
    // As a power cut leaves it.
    await disk.replace(nodeLayout.marks('Cup', 'CAM_C'), '{"kind":"moment"}\n{"kind":"sc');
    const { manifest: again } = await readBack(disk, manifestPath);
    await writeManifest(disk, {
      manifest: { ...again, touchline: { ...again.touchline, offloaded: false } },
      manifestPath,
    });
    await keeper.bus.request('CAM_C', 'offload', {}, patient);
    await keeper.until('sent once more', () => server.uploads.length === 5);
    t.match(
      server.uploads[4]?.fields,
      /name="timeline"\r\n\r\n\{"row":1\}\n\r\n/,
      'what the clocks said goes home too',
    );
    t.match(
      server.uploads[4]?.fields,
      /name="marks"\r\n\r\n\{"kind":"moment"\}\n\r\n/,
      'and so do the moments, those that are whole',
    );
  },
);

t.test(
  'a manifest that is mended while its file is sent goes home too, before it counts as there',
  async (t) => {
    const disk = memoryDisk(50_000_000);
    const { manifest, manifestPath } = await recording(disk);
    const [from, to] = [manifest.timing.start_time, manifest.timing.end_time];
    const mended = {
      ...manifest,
      touchline: { ...manifest.touchline, gaps: [{ from, to, frames: 1, reason: 'mended' }] },
    };
    const marked: number[] = [];
    let reads = 0;
    const server = await central(t, { upload: ['ok'], confirm: ['ok'] });
    const keeper = await housekeeper(
      t,
      {
        ...disk,
        async *read(path, ...where) {
          yield* disk.read(path, ...where);
          // Its hash was read before this.
          if (path.endsWith('.mp4') && reads++ === 1)
            await writeManifest(disk, { manifest: mended, manifestPath });
        },
        async replace(path, text) {
          await disk.replace(path, text);
          if (path === manifestPath) marked.push(server.uploads.length);
        },
      },
      { server_url: server.url },
    );
    await keeper.bus.request('CAM_C', 'offload', {}, patient);
    await keeper.until(
      'offloaded',
      async () => (await readManifest(disk, manifestPath))?.touchline.offloaded === true,
    );
    t.same(marked, [2], 'not marked after the first upload');
    t.notMatch(server.uploads[0]?.fields, /"mended"/);
    t.match(server.uploads[1]?.fields, /"mended"/);
    t.same((await readBack(disk, manifestPath)).manifest.touchline.gaps, mended.touchline.gaps);
    await keeper.until('the state says so', () => keeper.items()[0]?.state === 'offloaded');
    t.match(keeper.items(), [{ state: 'offloaded', attempt: 1, error: null }]);
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
