import t from 'tap';
import type { HealthLevel, HealthState } from '#contracts/health.ts';
import { RigView } from '#contracts/http-node.ts';
import { NetworkState } from '#contracts/network.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import { SignalsState } from '#contracts/signals.ts';
import { type Availability, NodeStatus, SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { nodeStatus, rigView, type Seen, worthTelling } from '#services/api/status.ts';
import { recorderState } from '../../fixtures/recorder-state.ts';

const NOW = 1_710_511_200_000_000;
const at = toWireTime(NOW);
const UID = '01HS0000000000000000000001';
const config = NodeConfig.parse({
  version: 1,
  rig: 'r',
  camera_id: 'CAM_C',
  position: 'center',
  camera: { source: 'test-pattern' },
  signals: { panel: 'gpio' },
});
const common = { v: 1, online: true, run_id: 'run', at } as const;

const sync = (master = 'CAM_C'): SyncState =>
  SyncState.parse({
    ...common,
    role: 'master',
    master,
    boot_id: 'b',
    clock: {
      source: 'none',
      offset_ms: null,
      bound_ms: null,
      ci95_ms: null,
      confidence: 0,
      stratum: null,
      last_sync: null,
    },
    local_time: at,
    master_time: null,
  });
const networkState = (over: Partial<NetworkState> = {}): NetworkState =>
  NetworkState.parse({
    ...common,
    ...{ mode: 'home', since: at, reason: 'joined', ssid: 'Club', addresses: ['192.168.1.5'] },
    ...{ signal_percent: 70, stations: null, peers: [], conflicts: [], warnings: [] },
    ...over,
  });
const signalsState = (over: Partial<SignalsState> = {}): SignalsState =>
  SignalsState.parse({
    ...common,
    ...{ panel: { state: 'working', reason: null }, beeper: { state: 'none', reason: null } },
    ...{ shows: 'ready', because: 'ready', pressed: false, muted: false, last_tone: null },
    ...over,
  });
const healthy = (over: Partial<Seen> = {}): Seen => ({
  recorder: { online: true, state: recorderState() },
  'sync-agent': { online: true, state: sync() },
  housekeeper: { online: true, state: { ...common, offload: [], recovering: false } },
  broker: { online: true, state: { ...common, links: [] } },
  health: { online: true, state: { ...common, readings: {}, battery: null, throttled: null, faults: [] } },
  'network-manager': { online: true, state: networkState() },
  signals: { online: true, state: signalsState() },
  updater: undefined,
  ...over,
});
const statusOf = (seen: Seen, version = '1'): NodeStatus =>
  NodeStatus.parse(nodeStatus({ config, version, bootId: 'b', nowUs: NOW, startedUs: NOW - 5e6, seen }));

t.test('the level of a node is the worst of what its services say', async (t) => {
  t.match(statusOf(healthy()), { level: 'ok', warnings: [], uptime_sec: 5 });
  t.match(statusOf(healthy({ housekeeper: { online: false, at } })), {
    level: 'fault',
    warnings: [{ service: 'housekeeper', code: 'service_offline' }],
    services: { housekeeper: { online: false }, recorder: { online: true } },
  });
  t.match(
    statusOf(healthy({ signals: { online: false, at } })),
    { level: 'warning', warnings: [{ service: 'signals', code: 'service_missed' }] },
    'a match is recorded without its lights',
  );
  t.match(
    statusOf(healthy({ health: undefined })),
    { level: 'ok', warnings: [] },
    'a service that has nothing to do is not missed',
  );
  t.match(statusOf(healthy({ recorder: undefined })), { level: 'fault', recorder: null });
  const gate = (level: 'hard' | 'soft' | 'note') =>
    statusOf(
      healthy({
        recorder: { online: true, state: recorderState({ gates: [{ gate: 'disk', level, reason: 'why' }] }) },
      }),
    );
  t.match(gate('hard'), { level: 'fault', warnings: [{ code: 'gate_disk', message: 'why' }] });
  t.equal(gate('soft').level, 'warning');
  t.equal(gate('note').level, 'warning');
  const mains = { gate: 'battery', level: 'note', reason: 'there is no battery' } as const;
  t.match(
    statusOf(healthy({ recorder: { online: true, state: recorderState({ gates: [mains] }) } })),
    { level: 'ok', warnings: [] },
    'what the configuration says is said where a start is asked for, not for ever',
  );
  const fault = { code: 'disk_full', message: 'full' } as const;
  t.match(statusOf(healthy({ recorder: { online: true, state: recorderState({ faults: [fault] }) } })), {
    level: 'fault',
    warnings: [{ service: 'recorder', code: 'disk_full', message: 'full' }],
  });
  const active = {
    ...{
      session_uid: UID,
      session_id: 'Cup',
      part: 3,
      file: 'a.mp4',
      start_at: '2024-03-15T14:00:00.000000Z',
    },
    ...{ duration_sec: 1, frames: 30, dropped_frames: 0, size_bytes: 1, fps: 30, bitrate_mbps: 1 },
  };
  t.match(
    statusOf(
      healthy({
        recorder: { online: true, state: recorderState({ state: 'recording', recording: active }) },
      }),
    ),
    { level: 'warning', warnings: [{ code: 'recording_interrupted', message: /interrupted 2 times/ }] },
    'that it records again does not make good what is missing',
  );
  const stepped = { code: 'clock_stepped', message: 'the clock was set by 3600 s' } as const;
  t.match(statusOf(healthy({ 'sync-agent': { online: true, state: { ...sync(), warnings: [stepped] } } })), {
    level: 'warning',
    warnings: [{ service: 'sync-agent', ...stepped }],
  });
  const doubtful = [{ session_uid: UID, session_id: 'Cup', part: 2, reason: 'its checksum differs' }];
  const retention = { deleted: 0, freed_bytes: 0, doubtful };
  t.match(
    statusOf(
      healthy({
        housekeeper: { online: true, state: { ...common, offload: [], recovering: false, retention } },
      }),
    ),
    {
      level: 'warning',
      warnings: [
        {
          code: 'recording_doubtful',
          message: 'Cup, part 2 is kept, though it is home: its checksum differs',
        },
      ],
    },
  );
  const preview = { state: 'yielding', reason: 'busy' } as const;
  t.match(
    statusOf(healthy({ recorder: { online: true, state: recorderState({ preview }) } })),
    { level: 'ok', warnings: [] },
    'a preview that yields is as it should be',
  );
  const item = {
    session_uid: UID,
    session_id: 'Cup',
    part: 1,
    size_bytes: 1,
    sent_bytes: 0,
    attempt: 5,
    error: fault,
  } as const;
  t.match(
    statusOf(
      healthy({
        housekeeper: {
          online: true,
          state: { ...common, recovering: false, offload: [{ ...item, state: 'failed' }] },
        },
      }),
    ),
    { level: 'warning', warnings: [{ service: 'housekeeper', code: 'disk_full', message: /Cup/ }] },
  );
});

const session = (over: Partial<RigSession> = {}): RigSession => ({
  v: 1,
  session_uid: UID,
  session_id: 'Cup',
  revision: 1,
  state: 'recording',
  conductor: 'CAM_C',
  start_at: toWireTime(NOW - 60e6),
  stop_at: null,
  max_duration_sec: 100,
  cameras: [],
  updated_at: at,
  ...over,
});
const active = {
  session_uid: UID,
  session_id: 'Cup',
  part: 1,
  file: 'x',
  start_at: at,
  duration_sec: 1,
  frames: 1,
  dropped_frames: 0,
  size_bytes: 1,
  fps: 30,
  bitrate_mbps: 1,
};
const records = recorderState({ state: 'recording', recording: active, session_uid: UID });

function view(of: { session?: RigSession; nodes: Record<string, NodeStatus>; offline?: string[] }): RigView {
  const availability = new Map(
    Object.keys(of.nodes).map((camera): [string, Availability] => [
      camera,
      { v: 1, state: of.offline?.includes(camera) ? 'offline' : 'online', boot_id: 'b', at },
    ]),
  );
  return RigView.parse(
    rigView({
      config,
      session: of.session,
      statuses: new Map(Object.entries(of.nodes)),
      availability,
      nowUs: NOW,
    }),
  );
}

t.test('what the nodes of a rig do not agree on is said, and nothing else', async (t) => {
  const idle = statusOf(healthy());
  const recording = statusOf(healthy({ recorder: { online: true, state: records } }));
  const all = (status: NodeStatus) => ({ CAM_L: status, CAM_C: status, CAM_R: status });

  t.same(view({ nodes: all(idle) }).disagreements, []);
  t.same(view({ session: session(), nodes: all(recording) }).disagreements, []);
  t.match(view({ session: session(), nodes: { ...all(recording), CAM_R: idle } }).disagreements, [
    /records Cup, but CAM_R is idle/,
  ]);
  t.same(
    view({ session: session(), nodes: { ...all(recording), CAM_R: idle }, offline: ['CAM_R'] }).disagreements,
    [],
    'a node that is away cannot disagree',
  );
  t.same(
    view({ session: session({ start_at: toWireTime(NOW - 1e6) }), nodes: all(idle) }).disagreements,
    [],
    'just started',
  );
  const stopped = session({ state: 'stopped', stop_at: toWireTime(NOW - 60e6) });
  t.equal(view({ session: stopped, nodes: all(recording) }).disagreements.length, 3);
  t.same(
    view({ session: { ...stopped, stop_at: at }, nodes: all(recording) }).disagreements,
    [],
    'just stopped',
  );
  const other = statusOf(
    healthy({ recorder: { online: true, state: { ...records, session_uid: '01HS0000000000000000000002' } } }),
  );
  t.match(view({ session: session(), nodes: { ...all(recording), CAM_L: other } }).disagreements, [
    'the cameras are in different sessions',
  ]);
  t.match(view({ nodes: { ...all(idle), CAM_L: statusOf(healthy(), '2') } }).disagreements, [
    /different versions/,
  ]);
  const follower = statusOf(healthy({ 'sync-agent': { online: true, state: sync('CAM_L') } }));
  t.match(view({ nodes: { ...all(idle), CAM_R: follower } }).disagreements, [/different masters/]);
  t.match(
    view({ nodes: {} }).nodes,
    [{ camera_id: 'CAM_L', available: false, status: null }, {}, {}],
    'every camera of the rig is named',
  );
});

t.test('figures of a clock are not told before their second, that a clock is off is', (t) => {
  const told = (warnings: SyncState['warnings']): string =>
    worthTelling(healthy({ 'sync-agent': { online: true, state: { ...sync(), warnings } } }), config);
  const off = (ms: number): SyncState['warnings'] => [
    { code: 'clock_disagreement', message: `they disagree by ${ms} ms` },
  ];
  t.equal(told(off(2.3)), told(off(2.4)));
  t.not(told(off(2.3)), told([]));
  t.end();
});

t.test('what health finds is a warning, no fault, and not said twice', async (t) => {
  const health = (readings: HealthState['readings']): Partial<Seen> => ({
    health: {
      online: true,
      state: { ...common, readings, battery: null, throttled: null, faults: [] },
    },
  });
  const entry = (level: HealthLevel, text: string = level) => ({ level, value: null, unit: '', text });
  const statusOf = (seen: Partial<Seen>) =>
    nodeStatus({
      ...{ config, version: '1', bootId: 'b', nowUs: NOW, startedUs: NOW },
      seen: healthy(seen),
    });
  const quiet = statusOf(
    health({
      temperature: entry('ok'),
      battery: entry('not-fitted'),
      load: entry('critical'),
      camera: entry('critical'),
      'disk-space': entry('warn'),
    }),
  );
  t.same([quiet.level, quiet.warnings], ['ok', []], 'the recorder says what is its own');
  const loud = health({
    temperature: entry('warn', 'the processor has 76 °C'),
    throttling: entry('critical'),
    memory: entry('warn'),
    'disk-condition': entry('unknown'),
    'disk-write': entry('warn'),
    battery: entry('critical', 'the battery has 9 %'),
  });
  const status = statusOf(loud);
  t.equal(status.level, 'warning', 'a match is recorded all the same');
  t.same(
    status.warnings.map(({ service, code }) => `${service} ${code}`),
    [
      'health temperature_high',
      'health power_throttled',
      'health memory_low',
      'health disk_unknown',
      'health disk_write_slow',
      'health battery_low',
    ],
  );
  t.match(status.warnings[0], { message: 'the processor has 76 °C' });
  const gates = [{ gate: 'battery', level: 'soft' as const, reason: 'the battery has 9 %' }];
  const gated = statusOf({ ...loud, recorder: { online: true, state: recorderState({ gates }) } });
  t.notOk(gated.warnings.some(({ code }) => code === 'battery_low'));
  t.ok(gated.warnings.some(({ code }) => code === 'gate_battery'));
  const told = (text: string): string =>
    worthTelling(healthy(health({ temperature: entry('warn', text) })), config);
  t.equal(told('the processor has 76 °C'), told('the processor has 77 °C'), 'figures are not told at once');
  t.not(told('x'), worthTelling(healthy(health({ temperature: entry('ok') })), config), 'levels are');
});
