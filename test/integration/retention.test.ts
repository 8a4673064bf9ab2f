import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { nodeLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes, pathTo } from '#contracts/routes.ts';
import { toWireTime } from '#contracts/time.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { readManifest } from '#runtime/manifests.ts';
import { hashPin, newPin } from '#services/api/pin.ts';
import { createApi } from '#services/api/service.ts';
import { freePorts } from '../fixtures/bridges.ts';
import { filesBelow } from '../fixtures/central.ts';
import { housekeeper } from '../fixtures/housekeeper.ts';
import {
  ask,
  lay,
  ROOMY,
  settled,
  smallDisk,
  uidOf,
  VIDEO_BYTES,
  watch,
} from '../fixtures/laid-recordings.ts';
import { recorderBody } from '../fixtures/recorder-state.ts';

const patient = { timeoutMs: 10_000 };
/** Just above the level at which a start warns, once two videos are gone. */
const FULL = 15_000 - 2 * VIDEO_BYTES;

t.test('a disk that gets full: the oldest offloaded go, until it is no longer full', async (t) => {
  const { root, disk } = await smallDisk(t, { freeBytes: FULL, videos: 5 });
  await lay(disk, 'Third', { hour: 3 });
  await lay(disk, 'First', { hour: 1, picture: 'view.jpg' });
  await lay(disk, 'Home', { hour: 0, offloaded: false });
  await lay(disk, 'Second', { hour: 2, part: 1, final: false });
  await lay(disk, 'Second', { hour: 2, part: 2 });
  for (const session of ['First', 'Second', 'Home'])
    await disk.replace(nodeLayout.marks(session, 'CAM_C'), 'marks');
  const keeper = await housekeeper(t, disk);
  const seen = watch(keeper);
  keeper.bus.setState('recorder', recorderBody());
  await keeper.until('two are deleted', () => seen.deleted.length === 2);
  await keeper.until('the state says so', () => seen.state()?.deleted === 2);
  t.same(seen.deleted, ['First 1', 'Second 1'], 'in this order');
  t.same(seen.state(), { deleted: 2, freed_bytes: 2 * VIDEO_BYTES, doubtful: [] });
  t.same(seen.faults, []);
  t.same(
    await filesBelow(root),
    [
      'lock-views/view.jpg',
      'manifests/Home/CAM_C/Home_CAM_C.json',
      'manifests/Home/CAM_C/Home_CAM_C.timeline.jsonl',
      'manifests/Home/CAM_C/marks.jsonl',
      'manifests/Second/CAM_C/Second_CAM_C.p2.json',
      'manifests/Second/CAM_C/Second_CAM_C.p2.timeline.jsonl',
      'manifests/Second/CAM_C/marks.jsonl',
      'manifests/Third/CAM_C/Third_CAM_C.json',
      'manifests/Third/CAM_C/Third_CAM_C.timeline.jsonl',
      'recordings/Home/CAM_C/Home_CAM_C_p1.mp4',
      'recordings/Second/CAM_C/Second_CAM_C_p2.mp4',
      'recordings/Third/CAM_C/Third_CAM_C_p1.mp4',
    ],
    'with all that belonged to them alone: later sessions are compared with the picture',
  );
  t.same(readdirSync(`${root}/recordings`).sort(), ['Home', 'Second', 'Third'], 'and their folders');
  t.same(readdirSync(`${root}/manifests`).sort(), ['Home', 'Second', 'Third']);
  const { freeBytes } = await disk.space();
  t.equal(freeBytes, 15_000, 'it is at the level now, and no more is deleted');
});

t.test('a disk that fills while nothing is brought home is noticed by the beat', async (t) => {
  const space = { freeBytes: 50_000, videos: 2 };
  const { root, disk } = await smallDisk(t, space);
  await lay(disk, 'First', { hour: 1 });
  await lay(disk, 'Second', { hour: 2 });
  const beats: (() => void | Promise<void>)[] = [];
  const clock: Clock = {
    ...systemClock(),
    every(_intervalMs, _name, tick) {
      beats.push(tick);
      return () => undefined;
    },
  };
  const keeper = await housekeeper(t, disk, {}, { clock });
  const seen = watch(keeper);
  keeper.bus.setState('recorder', recorderBody());
  await keeper.until('it is idle', () => seen.state() !== undefined);
  space.freeBytes = 14_999;
  await keeper.until('one is deleted', async () => {
    for (const beat of beats) await beat();
    return seen.deleted.length > 0;
  });
  t.same(seen.deleted, ['First 1']);
  t.same(readdirSync(`${root}/recordings`), ['Second']);
});

t.test('asked for, all that is offloaded goes; not while the recorder opens or closes a file', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  await lay(disk, 'Kept', { hour: 1, offloaded: false });
  await lay(disk, 'Cup', { hour: 2 });
  const keeper = await housekeeper(t, disk);
  const before = await filesBelow(root);
  await t.rejects(ask(keeper), { code: 'conflict', message: /the recorder does not answer/ });
  for (const state of ['preparing', 'finalizing'] as const) {
    keeper.bus.setState('recorder', recorderBody({ state }));
    await keeper.until(`refused because of ${state}`, () =>
      ask(keeper).then(
        () => t.fail(`deleted while ${state}`),
        ({ code, message }) => code === 'conflict' && message.includes(state),
      ),
    );
  }
  t.same(await filesBelow(root), before, 'nothing went');
  keeper.bus.setState('recorder', recorderBody());
  let answer: Awaited<ReturnType<typeof ask>> | undefined;
  await keeper.until('allowed', async () => {
    answer = await ask(keeper).catch(() => undefined);
    return answer !== undefined;
  });
  t.same(answer, { camera_id: 'CAM_C', deleted: 1, freed_bytes: VIDEO_BYTES, kept: [] });
  t.same(readdirSync(`${root}/recordings`), ['Kept']);
  t.same(await ask(keeper), { camera_id: 'CAM_C', deleted: 0, freed_bytes: 0, kept: [] });
});

t.test('a session that is open anywhere, or whose name is in use, is left alone', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  await lay(disk, 'Recorded', { hour: 1 });
  await lay(disk, 'Open', { hour: 2, final: false });
  await lay(disk, 'Rig', { hour: 3 });
  await lay(disk, 'Name', { hour: 4 });
  await lay(disk, 'Over', { hour: 5 });
  const keeper = await housekeeper(t, disk);
  await disk.replace(nodeLayout.journal('Over', 'CAM_C', 'Over_CAM_C_p1.mp4'), '{"v": 1, ');
  await settled(keeper);
  t.same(
    readdirSync(`${root}/recordings`).sort(),
    ['Open', 'Over'],
    'with nothing open only what lacks a part, or is not recovered, stays',
  );

  await lay(disk, 'Recorded', { hour: 1 });
  await lay(disk, 'Rig', { hour: 3 });
  await lay(disk, 'Name', { hour: 4 });
  keeper.bus.setSession({
    v: 1,
    session_uid: uidOf(3),
    session_id: 'Other',
    revision: 1,
    state: 'recording',
    conductor: 'CAM_C',
    start_at: null,
    stop_at: null,
    max_duration_sec: 60,
    cameras: [],
    updated_at: toWireTime(0),
  });
  keeper.bus.setState(
    'recorder',
    recorderBody({
      state: 'recording',
      session_uid: uidOf(1),
      recording: {
        session_uid: uidOf(9),
        session_id: 'Name',
        part: 2,
        file: 'recordings/Name~000009/CAM_C/x.mp4',
        start_at: toWireTime(0),
        duration_sec: 1,
        frames: 1,
        dropped_frames: 0,
        size_bytes: 1,
        fps: 30,
        bitrate_mbps: 1,
      },
    }),
  );
  const answer = await ask(keeper);
  t.match(answer, { deleted: 0 });
  t.same(
    answer.kept.map(({ session_id }) => session_id).sort(),
    ['Name', 'Open', 'Over', 'Recorded', 'Rig'],
    'and each is named',
  );
});

t.test('deleted as soon as it is home, when that is configured', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  const { manifest } = await lay(disk, 'Cup', { hour: 1, offloaded: false });
  const open = await lay(disk, 'Open', { hour: 2, offloaded: false, final: false });
  const url = await confirming(t, [manifest, open.manifest]);
  const keeper = await housekeeper(t, disk, { server_url: url, delete_after_confirm: true });
  const seen = watch(keeper);
  keeper.bus.setState('recorder', recorderBody());
  await settled(keeper);
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until(
    'both are home',
    () => keeper.items().filter(({ state }) => state === 'offloaded').length === 2,
  );
  await keeper.until('one is deleted', () => seen.deleted.length === 1);
  t.same(seen.deleted, ['Cup 1']);
  await ask(keeper);
  t.same(readdirSync(`${root}/recordings`), ['Open'], 'a recording that is not whole stays');
  t.equal((await readManifest(disk, open.manifestPath))?.touchline.offloaded, true);
});

t.test('a session of which a part is on its way home is left alone', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  await lay(disk, 'Cup', { hour: 1, part: 1, final: false });
  await lay(disk, 'Cup', { hour: 1, part: 2, offloaded: false });
  const silent = createServer();
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    silent.closeAllConnections();
    silent.close();
  });
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const keeper = await housekeeper(t, disk, { server_url: url });
  await keeper.bus.request('CAM_C', 'offload', {}, patient);
  await keeper.until('it is being sent', () => keeper.items()[0]?.state === 'uploading');
  await settled(keeper);
  t.match(await ask(keeper), { deleted: 0, kept: [{ session_id: 'Cup', part: 1, reason: /brought home/ }] });
  t.equal((await filesBelow(`${root}/recordings`)).length, 2);
});

t.test('by HTTP, for operators: the recordings of this node, or of any camera', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  await lay(disk, 'Cup', { hour: 1 });
  const broker = memoryBroker();
  const keeper = await housekeeper(t, disk, {}, { broker });
  keeper.bus.setState('recorder', recorderBody());
  const clock = systemClock();
  const log = createLogger({ name: 'test', level: 'silent' });
  const [port] = await freePorts(1);
  const pins = { viewer: newPin(), operator: newPin() };
  const config = NodeConfig.parse({
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    cameras: ['CAM_C', 'CAM_L'],
    camera: { source: 'test-pattern' },
    access: 'pin',
    api: { port, pin_hash: await hashPin(pins.operator), viewer_pin_hash: await hashPin(pins.viewer) },
    runtime_dir: `${root}/run`,
  });
  const bus = createBus({ rig: 'test', node: 'CAM_C', service: 'api', broker, clock, log });
  const api = createApi({ config, clock, disk, state: memoryDisk(1e6), bus, log, version: '0.0.0' });
  const { signal } = new AbortController();
  await bus.start(signal);
  await api.start(signal);
  t.teardown(async () => {
    await api.stop();
    await bus.stop();
  });
  const url = `http://127.0.0.1:${port}`;
  const remove = (route: string, cookie = '') =>
    fetch(`${url}${route}`, { method: 'DELETE', headers: { cookie } });
  const open = async (pin: string): Promise<string> => {
    const answer = await fetch(`${url}${nodeRoutes.session}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ pin }),
    });
    return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  };
  const viewer = await open(pins.viewer);
  const here = nodeRoutes.offloadedRecordings;
  t.match(await (await remove(here)).json(), { code: 'session_required' });
  t.match(await (await remove(here, viewer)).json(), { code: 'operator_required' });
  t.same(readdirSync(`${root}/recordings`), ['Cup']);

  const operator = await open(pins.operator);
  await keeper.until('allowed', async () => {
    const answer = await remove(here, operator);
    if (answer.status === 409) return false;
    t.same(await answer.json(), { camera_id: 'CAM_C', deleted: 1, freed_bytes: VIDEO_BYTES, kept: [] });
    return true;
  });
  const of = (camera_id: string) => pathTo(nodeRoutes.cameraOffloadedRecordings, { camera_id });
  t.match(await (await remove(of('CAM_C'), operator)).json(), { deleted: 0 });
  t.match(await (await remove(of('CAM_X'), operator)).json(), { code: 'not_found', message: /CAM_X/ });
});

/** Takes every upload, and confirms the hash that its manifest has. */
async function confirming(t: Test, manifests: readonly TouchlineManifest[]): Promise<string> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (!request.url?.endsWith('/confirm')) {
        response.end(
          JSON.stringify({
            success: true,
            recording_id: 'x',
            file_size: 1,
            checksum_verified: true,
            session_uid: uidOf(1),
            stored_as: 'x',
            already_there: false,
            renamed: false,
          }),
        );
        return;
      }
      const asked = JSON.parse(Buffer.concat(chunks).toString());
      const sent = manifests.find(({ recording }) => recording.session_id === asked.session_id);
      response.end(
        JSON.stringify({ ...asked, success: true, file_size: 1, checksum_sha256: sent?.checksum.value }),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
