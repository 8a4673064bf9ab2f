import t from 'tap';
import { SessionId } from '#contracts/ids.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { RigSession } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import {
  conductorRank,
  decideStart,
  generatedSessionId,
  type PrepareAnswer,
} from '#domain/barrier/barrier.ts';
import { isSecondStart } from '#domain/barrier/second-start.ts';
import { type GateReadings, gatesOpen, startGates } from '#domain/gates/gates.ts';

const LIMITS = { expectedDurationMin: 110, freeWarnPercent: 15, freeBlockPercent: 10 };
const GB = 1e9;

/** A node in the best of health. */
const healthy: GateReadings = {
  camera: { present: true, reason: null },
  disk: { present: true, reason: null, freeBytes: 500 * GB, totalBytes: 1000 * GB },
  clock: { bound_ms: 1 },
  battery: { percent: 90, charging: false },
  temperature: { celsius: 50 },
  bitrateMbps: 30,
  update: { applying: null, problem: null },
};
const disk = (freeBytes: number | null, totalBytes: number | null): Partial<GateReadings> => ({
  disk: { present: true, reason: null, freeBytes, totalBytes },
});
const gates = (over: Partial<GateReadings>): Gate[] => startGates({ ...healthy, ...over }, LIMITS);
const levels = (over: Partial<GateReadings>): string[] =>
  gates(over).map(({ gate, level }) => `${gate}: ${level}`);

t.test('each gate, and its border', async (t) => {
  t.same(gates({}), [], 'nothing to say');
  t.same(gates({ camera: { present: false, reason: 'the ribbon is loose' } }), [
    { gate: 'camera', level: 'hard', reason: 'the ribbon is loose' },
  ]);
  t.same(levels({ camera: { present: false, reason: null } }), ['camera: hard']);
  t.same(gates({ disk: { present: false, reason: 'not mounted', freeBytes: null, totalBytes: null } }), [
    { gate: 'disk', level: 'hard', reason: 'not mounted' },
  ]);
  t.same(levels({ disk: { present: false, reason: null, freeBytes: 1e12, totalBytes: 1e12 } }), [
    'disk: hard',
  ]);

  t.same(levels(disk(null, null)), ['free-space: soft'], 'unknown');
  t.same(levels(disk(1e12, null)), ['free-space: soft'], 'half known');
  // 110 minutes of 30 Mbit/s are 24.75 GB.
  t.same(levels(disk(24.75 * GB, 100 * GB)), [], 'just enough');
  t.match(gates(disk(24.75 * GB - 1, 100 * GB)), [
    { gate: 'free-space', level: 'hard', reason: /24\.7 GB free \(25 %\), but 110 minutes need 24\.8 GB/ },
  ]);
  t.same(levels(disk(150 * GB, 1000 * GB)), [], 'at the warn level');
  t.same(levels(disk(150 * GB - 1, 1000 * GB)), ['free-space: note'], 'below it');
  t.same(levels(disk(100 * GB, 1000 * GB)), ['free-space: note'], 'at the block level');
  t.same(levels(disk(100 * GB - 1, 1000 * GB)), ['free-space: soft'], 'below it');
  t.same(levels({ ...disk(20 * GB, 1000 * GB), bitrateMbps: 4 }), ['free-space: soft'], 'the bitrate counts');

  t.same(gates({ update: { applying: 'Supervisor: it is replacing the containers', problem: null } }), [
    {
      gate: 'update',
      level: 'hard',
      reason: 'an update is being applied (Supervisor: it is replacing the containers)',
    },
  ]);
  t.same(
    levels({ update: { applying: null, problem: 'read-only' } }),
    ['update-lock: note'],
    'recorded all the same',
  );
  t.same(levels({ clock: null }), ['clock: soft'], 'no clock reading');
  t.same(levels({ clock: { bound_ms: null } }), ['clock: soft'], 'an unknown bound');
  t.same(levels({ clock: { bound_ms: 5 } }), [], 'five milliseconds are allowed');
  t.same(levels({ clock: { bound_ms: 5.1 } }), ['clock: soft']);

  const battery = (percent: number, charging = false) => levels({ battery: { percent, charging } });
  t.same(battery(15), []);
  t.same(battery(14.9), ['battery: note']);
  t.same(battery(10), ['battery: note']);
  t.same(battery(9.9), ['battery: soft']);
  t.same(battery(2, true), [], 'on the charger it lasts');
  t.same(levels({ battery: null }), ['battery: soft'], 'a battery that does not answer');
  t.same(levels({ battery: 'not-fitted' }), ['battery: note'], 'none only warns');

  const temperature = (celsius: number) => levels({ temperature: { celsius } });
  t.same(temperature(74.9), []);
  t.same(temperature(75), ['temperature: note']);
  t.same(temperature(80), ['temperature: soft']);
  t.same(levels({ temperature: null }), ['temperature: soft'], 'a sensor that does not answer');
  t.same(levels({ temperature: 'not-fitted' }), []);
});

t.test('every reason is listed, not only the first', async (t) => {
  t.same(levels({ camera: { present: false, reason: null }, ...disk(1 * GB, 1000 * GB), clock: null }), [
    'camera: hard',
    'free-space: hard',
    'clock: soft',
  ]);
});

t.test('soft gates can be overridden, hard ones never', async (t) => {
  const gate = (level: Gate['level']): Gate => ({ gate: 'x', level, reason: 'y' });
  for (const [given, plain, overridden] of [
    [[], true, true],
    [['note'], true, true],
    [['soft'], false, true],
    [['note', 'soft', 'soft'], false, true],
    [['hard'], false, false],
    [['soft', 'hard', 'note'], false, false],
  ] as const) {
    t.equal(gatesOpen(given.map(gate), false), plain, `${given.join('+')} as it is`);
    t.equal(gatesOpen(given.map(gate), true), overridden, `${given.join('+')} overridden`);
  }
});

const MINE = '01HS0000000000000000000002';
const OTHER = '01HS0000000000000000000001';
const answer = (cameraId: string, over: object = {}): PrepareAnswer => ({
  cameraId,
  ready: true,
  gates: [],
  sessionUid: MINE,
  sessionId: 'GAME',
  state: 'preparing',
  ...over,
});
const hard: Gate = { gate: 'disk', level: 'hard', reason: 'the disk is gone' };
const soft: Gate = { gate: 'clock', level: 'soft', reason: 'the clock may be off' };
const note: Gate = { gate: 'free-space', level: 'note', reason: 'not much room' };

t.test('ready cameras start, and the others are named', async (t) => {
  t.same(
    decideStart(MINE, [
      answer('CAM_L', { gates: [note] }),
      answer('CAM_C', { ready: false, gates: [note, hard, soft] }),
      { cameraId: 'CAM_R', silent: 'no answer for 1 s' },
    ]),
    {
      decision: 'start',
      cameras: [
        { camera_id: 'CAM_L', state: 'ready', gates: [note] },
        {
          camera_id: 'CAM_C',
          state: 'not_ready',
          reason: 'the disk is gone; the clock may be off',
          gates: [note, hard, soft],
        },
        { camera_id: 'CAM_R', state: 'silent', reason: 'no answer for 1 s', gates: [] },
      ],
    },
  );
  t.equal(decideStart(MINE, [answer('CAM_L'), answer('CAM_C')]).decision, 'start');
  t.match(
    decideStart(MINE, [answer('CAM_L', { ready: false }), { cameraId: 'CAM_R', silent: 'x' }]),
    { decision: 'refuse', cameras: [{ state: 'not_ready' }, { state: 'silent' }] },
    'nobody is ready',
  );
  t.equal(decideStart(MINE, []).decision, 'refuse');
  t.match(decideStart(MINE, [answer('CAM_L', { sessionUid: null })]), { decision: 'start' });
});

t.test('a session that others are in already is the one', async (t) => {
  const theirs = { sessionUid: OTHER, sessionId: 'FIRST', state: 'recording' as const, ready: false };
  t.same(decideStart(MINE, [answer('CAM_L'), answer('CAM_R', theirs)]), {
    decision: 'adopt',
    sessionUid: OTHER,
    sessionId: 'FIRST',
  });
  t.equal(
    decideStart(MINE, [answer('CAM_L'), answer('CAM_R', { ...theirs, sessionUid: MINE })]).decision,
    'start',
    'our own session is not somebody else’s',
  );
  const cameras = decideStart(MINE, [answer('CAM_L'), answer('CAM_R', { ...theirs, state: 'finalizing' })]);
  t.match(
    cameras,
    { decision: 'start', cameras: [{ state: 'ready' }, { state: 'not_ready', reason: 'busy with FIRST' }] },
    'a session that is being finished is over',
  );
  t.match(
    decideStart(MINE, [answer('CAM_L'), answer('CAM_R', theirs)], OTHER),
    { decision: 'start', cameras: [{ state: 'ready' }, { state: 'not_ready' }] },
    'nor does a camera that missed the stop bring an ended session back',
  );
});

t.test('of two conductors exactly one wins', async (t) => {
  const cameras = ['CAM_L', 'CAM_C', 'CAM_R'];
  const ranks = cameras.map((camera) => conductorRank(camera, 'CAM_C', cameras));
  t.same(ranks, [1, 0, 3], 'the master first, the others in the order of the rig');
  t.equal(new Set(ranks).size, cameras.length);
});

t.test('a session that nobody named has a valid name', async (t) => {
  const name = generatedSessionId(Date.UTC(2024, 2, 15, 14, 0, 0) * 1000);
  t.equal(name, 'GAME_20240315_140000');
  t.equal(SessionId.parse(name), name);
});

t.test('which start is the second one', async (t) => {
  const atUs = 1_710_511_200_000_000;
  const soft: Gate = { gate: 'clock', level: 'soft', reason: 'unknown' };
  const hard: Gate = { gate: 'disk', level: 'hard', reason: 'gone' };
  const record = (state: RigSession['state'], ...gates: Gate[]): RigSession => ({
    v: 1,
    session_uid: '01HS0000000000000000000000',
    session_id: 'Final',
    revision: 1,
    state,
    conductor: 'CAM_C',
    start_at: null,
    stop_at: null,
    max_duration_sec: 60,
    cameras: [{ camera_id: 'CAM_L', state: gates.length > 0 ? 'not_ready' : 'ready', gates }],
    updated_at: toWireTime(atUs),
  });
  const second = (last: RigSession | undefined, afterMs: number, session_id?: string): boolean =>
    isSecondStart(last, { session_id }, atUs + afterMs * 1000);

  t.equal(second(undefined, 1000), false);
  t.equal(second(record('failed', soft), 1000), true);
  t.equal(second(record('recording', soft), 1000), true, 'also when others record');
  t.equal(second(record('stopped', soft), 1000), false, 'not after a stop');
  t.equal(second(record('failed', soft), 10_000), true, 'within ten seconds');
  t.equal(second(record('failed', soft), 10_001), false);
  t.equal(second(record('failed', soft), 100), false, 'the first start, arriving at another node');
  t.equal(second(record('failed', soft), 1000, 'Final'), true);
  t.equal(second(record('failed', soft), 1000, 'Other'), false);
  t.equal(second(record('failed', soft, hard), 1000), false, 'an override does not open a hard gate');
  t.equal(second(record('failed', { ...soft, level: 'note' }), 1000), false);
  t.equal(second(record('recording'), 1000), false, 'nobody is left out');
});
