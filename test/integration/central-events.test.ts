import { join } from 'node:path';
import t, { type Test } from 'tap';
import { topics } from '#contracts/topics.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import {
  ask,
  type Central,
  makeFilm,
  manifestOf,
  startCentral,
  startWorker,
  tempFolder,
  until,
  upload,
} from '../fixtures/central.ts';

// Servers are started, on a machine that may be busy.
t.setTimeout(240_000);

interface Message {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: the tests compare it with what they expect
  readonly data: any;
}

/** Reads the event stream as a browser does, until it is closed. */
async function watch(t: Test, url: string, lastId?: string) {
  const control = new AbortController();
  t.teardown(() => control.abort());
  const response = await fetch(`${url}/api/v1/events`, {
    signal: control.signal,
    headers: lastId === undefined ? {} : { 'last-event-id': lastId },
  });
  const messages: Message[] = [];
  let over = false;
  const reading = (async () => {
    let rest = '';
    try {
      for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
        const blocks = (rest + Buffer.from(chunk).toString()).split('\n\n');
        rest = blocks.pop() ?? '';
        for (const block of blocks) {
          const fields = Object.fromEntries(
            block
              .split('\n')
              .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          );
          if (fields.event)
            messages.push({
              id: fields.id ?? '',
              event: fields.event,
              data: JSON.parse(fields.data ?? 'null'),
            });
        }
      }
    } catch {
      // Cut off, by the test or by the end of the server; that is what `over` says.
    }
    over = true;
  })();
  return {
    messages,
    isOver: () => over,
    find: (event: string, wanted: (data: Message['data']) => boolean = () => true) =>
      until(() => messages.find((one) => one.event === event && wanted(one.data))),
    async close() {
      control.abort();
      await reading;
    },
  };
}

const nodeStatus = (at: string) => ({
  v: 1,
  rig: 'demo',
  camera_id: 'CAM_L',
  position: 'left',
  software_version: '1',
  boot_id: 'b',
  at,
  uptime_sec: 1,
  level: 'ok',
  warnings: [],
  services: {},
  recorder: null,
  sync: null,
  offload: [],
});

t.test('what changes is told, whichever process changes it', async (t) => {
  const root = await tempFolder(t);
  const film = makeFilm(join(root, 'film.mp4'), { width: 640, height: 360, seconds: 4 });
  const central: Central = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const page = await watch(t, central.url);
  await page.find('reset');
  const beat = await page.find('beat');
  t.match(beat.data, { at: String }, 'a new page is told to load everything, and that the server lives');

  t.match(await upload(central, film, { manifest: JSON.stringify(manifestOf(film, {})) }), { status: 200 });
  const queued = await page.find('job');
  t.match(queued.data, { kind: 'proxy', subject: 'CAM_L/1', state: 'queued' });
  const arrived = await page.find('session');
  t.match(arrived.data, {
    session_id: 'GAME',
    started_at: '2024-03-15T14:00:00.000000Z',
    duration_sec: 4,
    cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
    missing: ['CAM_C', 'CAM_R'],
    panorama: null,
    recordings: [{ camera_id: 'CAM_L', position: 'left', frames: null, fps: 30, proxy_url: null }],
  });
  t.notOk('contents' in arrived.data.recordings[0], 'the manifest itself is asked for by its address');

  startWorker(t, root);
  await page.find('job', (job) => job.state === 'running');
  const done = await page.find('job', (job) => job.state === 'done');
  t.match(done.data, { progress: 1, result: { frames: 120 } }, 'the worker is another process');
  const whole = await page.find('session', (session) => session.recordings[0].proxy_url !== null);
  t.match(whole.data, { recordings: [{ frames: 120 }], thumbnail_url: String });
  t.same(
    await ask(`${central.url}/api/v1/sessions/${whole.data.session_uid}`),
    {
      status: 200,
      body: (await page.find('session', (s) => s.jobs.every((j: { state: string }) => j.state === 'done')))
        .data,
    },
    'the same as by REST',
  );

  const connection = mqttBroker({ host: '127.0.0.1', port: central.mqttPort }).connect({ clientId: 'test' });
  t.teardown(() => connection.close());
  await new Promise<void>((resolve) => connection.onConnected((connected) => connected && resolve()));
  const at = '2024-03-15T14:00:00.000000Z';
  const say = (topic: string, body: object) =>
    connection.publish(topic, JSON.stringify(body), { retain: true });
  await say(topics.availability('demo', 'CAM_L'), { v: 1, state: 'online', boot_id: 'b', at });
  await say(topics.status('demo', 'CAM_L'), nodeStatus(at));
  const device = await page.find('device', (device) => device.status !== null);
  t.match(device.data, { rig: 'demo', camera_id: 'CAM_L', available: true, status: { level: 'ok' } });
  await say(topics.status('demo', 'CAM_L'), { ...nodeStatus(at), level: 'fault' });
  await page.find('device', (device) => device.status?.level === 'fault');
  t.match(await ask(`${central.url}/api/v1/devices`), { body: { devices: [{ available: true }] } });
  await page.find('device', (device) => !device.available);
  t.pass('a node that is silent for long is not available');

  const last = page.messages.at(-1);
  const other = await watch(t, central.url, last?.id);
  await say(topics.status('demo', 'CAM_L'), { ...nodeStatus(at), level: 'warning' });
  await other.find('device', (device) => device.status?.level === 'warning');
  t.notOk(
    other.messages.some((one) => one.event === 'reset'),
    'who comes back in time loads nothing anew',
  );

  await central.stop('SIGKILL');
  await until(() => page.isOver());
  t.pass('a page sees the server end');
  const again = await startCentral(t, root, ['processing.panorama_on_complete=false']);
  const back = await watch(t, again.url, last?.id);
  await back.find('reset');
  t.equal(back.messages[0]?.event, 'reset', 'after a restart everything is loaded anew');
  // The broker tells what it kept soon after it was asked, one topic after the other.
  const devices = await until(async () => {
    const { body } = await ask(`${again.url}/api/v1/devices`);
    return body.devices[0]?.status ? body.devices : undefined;
  });
  t.match(
    devices,
    [{ camera_id: 'CAM_L', available: false, seen_at: at, status: { rig: 'demo' } }],
    'devices are known from what the broker kept, and when they spoke',
  );
  t.match(await upload(again, film, { camera_id: 'CAM_C' }), { status: 200 });
  await back.find('job', (job) => job.subject === 'CAM_C/1' && job.state === 'done');
  t.pass('the worker outlived the server, and goes on');
  t.equal(await again.stop('SIGTERM'), 0);
  t.same(
    again.lines.filter((line) => typeof line.level === 'number' && line.level >= 40),
    [],
    'an orderly stop warns of nothing',
  );
});

t.test('a server that dies takes no job with it', async (t) => {
  const root = await tempFolder(t);
  // Long enough that its copy is still being made after progress was told, however fast the machine.
  const film = makeFilm(join(root, 'film.mp4'), { width: 1920, height: 1080, seconds: 15 });
  const set = ['processing.panorama_on_complete=false'];
  const central = await startCentral(t, root, set);
  const worker = startWorker(t, root);
  t.match(await upload(central, film), { status: 200 });
  const page = await watch(t, central.url);
  const running = await page.find('job', (job) => job.state === 'running' && job.progress > 0);
  t.ok(running.data.progress < 1, 'it is still being made');
  await central.stop('SIGKILL');
  const again = await startCentral(t, root, set);
  const done = await until(async () => {
    const { body } = await ask(`${again.url}/api/v1/jobs/${running.data.job_id}`);
    return body.finished_at !== null && body;
  });
  t.match(done, { state: 'done', attempt: 1, result: { frames: 450 } }, 'it goes on, and is not begun anew');
  t.equal(await worker.stop('SIGTERM'), 0);
});
