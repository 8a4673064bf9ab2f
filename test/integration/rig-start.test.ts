import t, { type Test } from 'tap';
import { ulid } from 'ulid';
import type { CommandArguments } from '#contracts/commands.ts';
import type { Gate } from '#contracts/manifest.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memorySpeaker } from '#ports/sound/memory-speaker.ts';
import type { Speaker } from '#ports/sound/speaker.ts';
import type { Bus } from '#runtime/bus/bus.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { createLogger } from '#runtime/logger.ts';
import { createSyncAgent } from '#services/sync-agent/service.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'] as const;
type Camera = (typeof CAMERAS)[number];
const patient = { timeoutMs: 8000 };

/** What a recorder of the rig was told, and how it answers. */
interface Recorder {
  gates: Gate[];
  /** Milliseconds before it answers a prepare. */
  slowMs: number;
  session: { uid: string; rank: number; committed: boolean } | undefined;
  readonly started: { session_uid: string; start_at: string }[];
  readonly stopped: string[];
}

interface Rig {
  readonly recorders: Record<Camera, Recorder>;
  readonly bus: Bus;
  session(): RigSession | undefined;
  /** Ends the sync-agent of a node without a word. */
  silence(camera: Camera): Promise<void>;
}

/** Three real sync-agents on one broker, with recorders that only answer. */
async function rig(
  t: Test,
  without: { agents?: Camera[]; recorders?: Camera[] } = {},
  speaker: (camera: Camera) => Speaker | undefined = () => undefined,
): Promise<Rig> {
  const broker = memoryBroker();
  const signal = new AbortController().signal;
  const agents = new Map<Camera, Unit>();
  const units: Unit[] = [];
  const recorders = {} as Record<Camera, Recorder>;
  for (const camera of CAMERAS) {
    const config = NodeConfig.parse({
      version: 1,
      rig: 'test',
      camera_id: camera,
      position: 'center',
      camera: { source: 'test-pattern' },
      sync: { start_lead_ms: 300, ready_timeout_ms: 400, master_timeout_ms: 200 },
    });
    const busOf = (service: 'sync-agent' | 'recorder'): Bus =>
      createBus({ rig: 'test', node: camera, service, broker, clock, log });
    const recorder: Recorder = { gates: [], slowMs: 0, session: undefined, started: [], stopped: [] };
    recorders[camera] = recorder;
    if (!without.recorders?.includes(camera)) {
      const bus = busOf('recorder');
      serve(bus, camera, recorder);
      await bus.start(signal);
      units.push(bus);
    }
    if (!without.agents?.includes(camera)) {
      const bus = busOf('sync-agent');
      const agent = group(bus, createSyncAgent({ config, clock, bus, log, speaker: speaker(camera) }));
      await agent.start(signal);
      agents.set(camera, agent);
    }
  }
  const bus = createBus({ rig: 'test', node: 'CAM_L', service: 'api', broker, clock, log });
  await bus.start(signal);
  let latest: RigSession | undefined;
  bus.watchSession((session) => {
    latest = session;
  });
  t.teardown(async () => {
    for (const unit of [bus, ...agents.values(), ...units]) await unit.stop();
  });
  return {
    recorders,
    bus,
    session: () => latest,
    async silence(camera) {
      await agents.get(camera)?.stop();
      agents.delete(camera);
    },
  };
}

function serve(bus: Bus, camera: Camera, recorder: Recorder): void {
  const state = () => ({
    camera_id: camera,
    state: 'preparing' as const,
    session_uid: recorder.session?.uid ?? null,
  });
  bus.handle('prepare', async (input: CommandArguments<'prepare'>) => {
    if (recorder.slowMs > 0) await clock.sleepUntil(clock.monoUs() + recorder.slowMs * 1000, 'slow recorder');
    const { session } = recorder;
    const ready = recorder.gates.every(
      ({ level }) => level === 'note' || (level === 'soft' && input.override === true),
    );
    if (ready && (!session || (!session.committed && input.rank <= session.rank)))
      recorder.session = { uid: input.session_uid, rank: input.rank, committed: false };
    return {
      ...state(),
      session_id: input.session_id,
      ready,
      gates: recorder.gates,
    };
  });
  bus.handle('start', async (input) => {
    if (recorder.session) recorder.session.committed = true;
    recorder.started.push(input);
    return state();
  });
  bus.handle('stop', async (input) => {
    recorder.stopped.push(input.session_uid ?? 'any');
    if (recorder.session?.uid === input.session_uid) recorder.session = undefined;
    return state();
  });
}

t.test('a start asked of a follower is conducted by the master, at one instant for all', async (t) => {
  const { bus, recorders, session } = await rig(t);
  const before = clock.wallUs();
  const result = await bus.request('CAM_R', 'rigStart', { session_id: 'Final' }, patient);
  t.match(result, { session_id: 'Final', conductor: 'CAM_C' });
  t.same(
    result.cameras.map((camera) => [camera.camera_id, camera.state]),
    CAMERAS.map((camera) => [camera, 'ready']),
  );
  const at = fromWireTime(result.start_at);
  t.ok(at > before + 300_000 && at < clock.wallUs() + 400_000, 'the instant is a lead ahead');
  for (const camera of CAMERAS)
    t.same(
      recorders[camera].started.map(({ start_at, session_uid }) => [start_at, session_uid]),
      [[result.start_at, result.session_uid]],
      camera,
    );
  t.match(session(), { state: 'recording', start_at: result.start_at, conductor: 'CAM_C' });

  await t.rejects(bus.request('CAM_L', 'rigStart', { session_id: 'Other' }, patient), {
    code: 'already_recording',
    details: { session_id: 'Final' },
  });
  await t.rejects(bus.request('CAM_L', 'rigStop', { session_uid: ulid() }, patient), {
    code: 'not_recording',
  });
  const stopped = await bus.request('CAM_L', 'rigStop', {}, patient);
  t.equal(stopped.session_uid, result.session_uid);
  t.match(session(), { state: 'stopped', stop_at: stopped.stop_at });
  await t.rejects(bus.request('CAM_L', 'rigStop', {}, patient), { code: 'not_recording' });

  const next = await bus.request('CAM_C', 'rigStart', {}, patient);
  t.ok(next.session_uid > result.session_uid, 'a later session has a later uid');
  t.match(next.session_id, /^GAME_\d{8}_\d{6}$/);
});

t.test('who is silent or not ready is named with the reason, and the others record', async (t) => {
  const { bus, recorders, session } = await rig(t, { recorders: ['CAM_R'] });
  recorders.CAM_L.gates = [{ gate: 'disk', level: 'hard', reason: 'the recording disk is not there' }];
  const result = await bus.request('CAM_C', 'rigStart', {}, patient);
  t.match(result.cameras, [
    { camera_id: 'CAM_L', state: 'not_ready', reason: 'the recording disk is not there' },
    { camera_id: 'CAM_C', state: 'ready' },
    { camera_id: 'CAM_R', state: 'silent', reason: /CAM_R/ },
  ]);
  t.same(session()?.cameras, result.cameras, 'the record says so too');
  t.equal(recorders.CAM_L.started.length, 0);
  t.equal(recorders.CAM_C.started.length, 1);
});

t.test('a recorder slower than the barrier is not waited for', async (t) => {
  const { bus, recorders } = await rig(t);
  recorders.CAM_L.slowMs = 1500;
  const before = clock.monoUs();
  const result = await bus.request('CAM_C', 'rigStart', {}, patient);
  t.match(result.cameras[0], { camera_id: 'CAM_L', state: 'silent' });
  t.ok(clock.monoUs() - before < 1_400_000, 'the answer came before the slow one');
});

t.test('nobody can record: refused with the reason of each', async (t) => {
  const { bus, recorders, session } = await rig(t);
  for (const camera of CAMERAS)
    recorders[camera].gates = [{ gate: 'camera', level: 'hard', reason: `no camera at ${camera}` }];
  for (const asked of ['CAM_C', 'CAM_L'] as const)
    await t.rejects(bus.request(asked, 'rigStart', {}, patient), {
      code: 'no_camera_ready',
      message: /CAM_L: no camera at CAM_L.*CAM_R: no camera at CAM_R/,
    });
  t.equal(session()?.state, 'failed');
});

t.test('the master beeps once at the start instant, and the record says when', async (t) => {
  const speakers = { CAM_L: memorySpeaker(clock), CAM_C: memorySpeaker(clock), CAM_R: memorySpeaker(clock) };
  const { bus, session, silence } = await rig(t, {}, (camera) => speakers[camera]);
  const beeped = async (): Promise<RigSession> => {
    for (;;) {
      const seen = session();
      if (seen?.beep_at) return seen;
      await clock.sleepUntil(clock.monoUs() + 10_000, 'beep');
    }
  };
  speakers.CAM_C.setLate(30_000);
  const { start_at } = await bus.request('CAM_L', 'rigStart', {}, patient);
  const { beep_at, state, revision } = await beeped();
  t.match({ state, revision }, { state: 'recording', revision: 2 });
  const lateUs = fromWireTime(beep_at ?? '') - fromWireTime(start_at);
  t.ok(lateUs >= 29_000 && lateUs < 200_000, `when it sounded, not when it should have: ${lateUs} us late`);
  t.same(
    CAMERAS.map((camera) => speakers[camera].heard.length),
    [0, 1, 0],
  );
  await bus.request('CAM_L', 'rigStop', {}, patient);
  t.equal(session()?.beep_at, beep_at, 'the record of the stop still says so');

  speakers.CAM_C.setPresent(false);
  const warnings: string[] = [];
  bus.watchState('sync-agent', (node, seen) => {
    if (node === 'CAM_C' && seen.online) warnings.push(...seen.state.warnings.map(({ code }) => code));
  });
  await bus.request('CAM_L', 'rigStart', {}, patient);
  while (warnings.length === 0) await clock.sleepUntil(clock.monoUs() + 10_000, 'warning');
  t.match(warnings, ['speaker_missing'], 'a match without a beep is recorded, and it is told');
  t.match(session(), { state: 'recording' });
  await bus.request('CAM_L', 'rigStop', {}, patient);

  await silence('CAM_C');
  const result = await bus.request('CAM_L', 'rigStart', {}, patient);
  await clock.sleepUntil(clock.monoUs() + 500_000, 'the start');
  t.equal(result.conductor, 'CAM_L');
  t.equal(speakers.CAM_L.heard.length, 0, 'who stands in for the master does not beep');
});

const soft: Gate = { gate: 'clock', level: 'soft', reason: 'the clock may be off by 6.0 ms' };
const hard: Gate = { gate: 'camera', level: 'hard', reason: 'there is no camera' };

t.test('soft gates refuse the first start; the same start again records anyway', async (t) => {
  const { bus, recorders, session } = await rig(t);
  for (const camera of ['CAM_L', 'CAM_C'] as const) recorders[camera].gates = [soft];
  recorders.CAM_R.gates = [hard, soft];
  await t.rejects(bus.request('CAM_L', 'rigStart', { session_id: 'Final' }, patient), {
    code: 'gates_closed',
    message: /CAM_L: the clock may be off by 6\.0 ms.*Start again within 10 s/,
    details: { cameras: [{ camera_id: 'CAM_L', gates: [soft] }, {}, { gates: [hard, soft] }] },
  });
  const failed = session();
  t.equal(failed?.state, 'failed');
  await clock.sleepUntil(clock.monoUs() + 300_000, 'somebody to press again');
  await t.rejects(
    bus.request('CAM_C', 'rigStart', { session_id: 'Other' }, patient),
    { code: 'gates_closed' },
    'another session is another start',
  );
  await clock.sleepUntil(clock.monoUs() + 300_000, 'somebody to press again');
  const result = await bus.request('CAM_R', 'rigStart', {}, patient);
  t.match(result, {
    session_id: 'Other',
    cameras: [{ state: 'ready', gates: [soft] }, { state: 'ready' }, { state: 'not_ready' }],
  });
  t.not(result.session_uid, failed?.session_uid);
  t.equal(recorders.CAM_R.started.length, 0, 'a hard gate stays closed');

  // With nothing but soft gates open, no second start is needed.
  await bus.request('CAM_C', 'rigStop', {}, patient);
  t.match(await bus.request('CAM_C', 'rigStart', { override: true }, patient), {
    cameras: [{ state: 'ready' }, { state: 'ready' }, {}],
  });
});

t.test('a camera that soft gates keep out of a running session is let in by a second start', async (t) => {
  const { bus, recorders, session } = await rig(t);
  recorders.CAM_L.gates = [soft];
  const first = await bus.request('CAM_C', 'rigStart', { session_id: 'Final' }, patient);
  t.match(first.cameras, [{ state: 'not_ready' }, { state: 'ready' }, { state: 'ready' }]);
  await clock.sleepUntil(clock.monoUs() + 400_000, 'the start');
  await t.rejects(
    bus.request('CAM_C', 'rigStart', { session_id: 'Other' }, patient),
    { code: 'already_recording' },
    'another session is another start',
  );
  const second = await bus.request('CAM_C', 'rigStart', { session_id: 'Final' }, patient);
  t.match(second, {
    session_uid: first.session_uid,
    start_at: first.start_at,
    cameras: [{ camera_id: 'CAM_L', state: 'ready', gates: [soft] }, {}, {}],
  });
  t.match(session(), { state: 'recording', revision: 2, cameras: second.cameras }, 'its recorder reads it');
  await t.rejects(bus.request('CAM_C', 'rigStart', {}, patient), { code: 'already_recording' });
});

t.test('without the master the node that is asked conducts', async (t) => {
  const { bus, recorders, session } = await rig(t, { agents: ['CAM_C'] });
  const result = await bus.request('CAM_L', 'rigStart', {}, patient);
  t.equal(result.conductor, 'CAM_L');
  for (const camera of CAMERAS) t.equal(recorders[camera].started.length, 1);
  await bus.request('CAM_R', 'rigStop', {}, patient);
  t.equal(session()?.state, 'stopped');
});

t.test(
  'asked everywhere at once, with and without the master: one session, and everybody is told the same',
  async (t) => {
    for (const agents of [[], ['CAM_C']] as Camera[][]) {
      const { bus, recorders, session, silence } = await rig(t);
      for (const camera of agents) await silence(camera);
      const asked = CAMERAS.filter((camera) => !agents.includes(camera));
      const results = await Promise.all(asked.map((camera) => bus.request(camera, 'rigStart', {}, patient)));
      const uids = new Set(results.map(({ session_uid }) => session_uid));
      t.equal(uids.size, 1, `one session, not ${[...uids]}`);
      t.equal(new Set(results.map(({ start_at }) => start_at)).size, 1, 'one instant');
      t.equal(session()?.session_uid, results[0]?.session_uid);
      t.equal(session()?.state, 'recording');
      for (const camera of CAMERAS)
        t.same(
          [...new Set(recorders[camera].started.map(({ session_uid }) => session_uid))],
          [...uids],
          `${camera} starts that session alone`,
        );
    }
  },
);
