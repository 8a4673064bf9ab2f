import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import { Problem } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { createApi } from '#services/api/service.ts';
import { freePorts } from '../fixtures/bridges.ts';
import { tempFolder } from '../fixtures/central.ts';
import { recorderBody } from '../fixtures/recorder-state.ts';
import { openStream } from '../fixtures/sse.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });

/** A node's api, with a recorder that only says what it is told to. */
async function node(t: Test) {
  const [port] = await freePorts(1);
  const config = NodeConfig.parse({
    version: 1,
    rig: 'test',
    camera_id: 'CAM_C',
    position: 'center',
    cameras: ['CAM_C', 'CAM_L'],
    camera: { source: 'test-pattern' },
    api: { port },
    runtime_dir: join(await tempFolder(t), 'run'),
  });
  const broker = memoryBroker();
  const busOf = (service: 'api' | 'recorder', camera = 'CAM_C'): Bus =>
    createBus({ rig: 'test', node: camera, service, broker, clock, log });
  const signal = new AbortController().signal;
  const recorder = busOf('recorder');
  await recorder.start(signal);
  const boot = async () => {
    const bus = busOf('api');
    await bus.start(signal);
    const api = createApi({
      config,
      clock,
      disk: memoryDisk(1e9),
      state: memoryDisk(1e6),
      bus,
      log,
      version: '0.0.0',
    });
    await api.start(signal);
    return async () => {
      await api.stop();
      await bus.stop();
    };
  };
  let stopApi = await boot();
  t.teardown(async () => {
    await stopApi();
    await recorder.stop();
  });
  const url = `http://127.0.0.1:${port}`;
  return {
    url,
    recorder,
    events: (lastId?: string) =>
      openStream(`${url}${nodeRoutes.events}`, lastId === undefined ? {} : { 'last-event-id': lastId }),
    async restart() {
      await stopApi();
      stopApi = await boot();
    },
  };
}

function say(recorder: Bus, state: 'idle' | 'recording'): void {
  recorder.setState('recorder', recorderBody({ state }));
}

const stateIn = (message: { data: { nodes: { status: { recorder: { state: string } | null } | null }[] } }) =>
  message.data.nodes[0]?.status?.recorder?.state;

t.test('a page sees the rig at once, and each change without asking', async (t) => {
  const on = await node(t);
  const pages = await Promise.all([on.events(), on.events()]);
  for (const page of pages) {
    const first = await page.until('the rig', ({ event }) => event === 'rig');
    t.equal(first.data.rig, 'test');
    t.same(
      first.data.nodes.map((each: { camera_id: string }) => each.camera_id),
      ['CAM_C', 'CAM_L'],
    );
  }
  say(on.recorder, 'idle');
  for (const page of pages)
    await page.until('idle', (message) => message.event === 'rig' && stateIn(message) === 'idle');
  say(on.recorder, 'recording');
  for (const page of pages) {
    const shown = await page.until(
      'recording',
      (message) => message.event === 'rig' && stateIn(message) === 'recording',
    );
    t.equal(shown.data.nodes[0].status.api_port, Number(new URL(on.url).port), 'a node says where it serves');
  }
  const beat = await pages[0]?.until('a beat', ({ event }) => event === 'beat');
  t.match(beat?.data.at, /Z$/);
  for (const page of pages) await page.close();
});

t.test(
  'events that were missed are sent again, and after a restart the page is told to load anew',
  async (t) => {
    const on = await node(t);
    const page = await on.events();
    const happen = (reason: string): void =>
      on.recorder.emit('session/transition', { from: 'idle', to: 'armed', session_uid: ulid(), reason });
    happen('one');
    const seen = await page.until('one', ({ event }) => event === 'event');
    t.match(seen.data, { camera_id: 'CAM_C', name: 'session/transition', payload: { reason: 'one' } });
    await page.close();
    happen('two');
    happen('three');
    const again = await on.events(seen.id);
    const missed = [];
    while (missed.length < 2) missed.push(await again.until('an event', ({ event }) => event === 'event'));
    t.same(
      missed.map(({ data }) => data.payload.reason),
      ['two', 'three'],
    );
    await on.restart();
    t.equal(
      await again.until('nothing', () => false).catch((error: Error) => error.message),
      'the stream ended before: nothing',
    );
    const fresh = await on.events(seen.id);
    t.equal((await fresh.next())?.event, 'reset');
    t.equal((await fresh.until('the rig', ({ event }) => event === 'rig')).data.rig, 'test');
    await fresh.close();
  },
);

t.test('without a recorder there is no picture, and it is said why', async (t) => {
  const on = await node(t);
  const answer = await fetch(`${on.url}${nodeRoutes.preview}`);
  t.equal(answer.status, 503);
  t.match(Problem.parse(await answer.json()), {
    code: 'preview_unavailable',
    message: /the recorder does not answer/,
  });
});
