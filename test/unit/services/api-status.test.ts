import t from 'tap';
import { RigView } from '#contracts/http-node.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import { type Availability, NodeStatus, type RecorderState, type SyncState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { nodeStatus, rigView, type Seen } from '#services/api/status.ts';

const NOW = 1_710_511_200_000_000;
const at = toWireTime(NOW);
const UID = '01HS0000000000000000000001';
const config = NodeConfig.parse({
  version: 1,
  rig: 'r',
  camera_id: 'CAM_C',
  position: 'center',
  camera: { source: 'test-pattern' },
});
const common = { v: 1, online: true, run_id: 'run', at } as const;

const recorder = (over: Partial<RecorderState> = {}): RecorderState => ({
  ...common,
  boot_id: 'b',
  state: 'idle',
  recording: null,
  session_uid: null,
  camera: {
    source: 'test-pattern',
    present: true,
    width: 1,
    height: 1,
    fps: 30,
    codec: 'h264',
    reason: null,
  },
  disk: { present: true, free_bytes: 1, total_bytes: 1, minutes_left: 1 },
  gates: [],
  faults: [],
  encoder_restarts: 0,
  disk_errors: 0,
  ...over,
});
const sync = (master = 'CAM_C'): SyncState => ({
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
const healthy = (over: Partial<Seen> = {}): Seen => ({
  recorder: { online: true, state: recorder() },
  'sync-agent': { online: true, state: sync() },
  housekeeper: { online: true, state: { ...common, offload: [], recovering: false } },
  broker: { online: true, state: { ...common, links: [] } },
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
  t.match(statusOf(healthy({ recorder: undefined })), { level: 'fault', recorder: null });
  const gate = (level: 'hard' | 'soft' | 'note') =>
    statusOf(
      healthy({
        recorder: { online: true, state: recorder({ gates: [{ gate: 'disk', level, reason: 'why' }] }) },
      }),
    );
  t.match(gate('hard'), { level: 'fault', warnings: [{ code: 'gate_disk', message: 'why' }] });
  t.equal(gate('soft').level, 'warning');
  t.equal(gate('note').level, 'warning');
  const fault = { code: 'disk_full', message: 'full' } as const;
  t.match(statusOf(healthy({ recorder: { online: true, state: recorder({ faults: [fault] }) } })), {
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
      healthy({ recorder: { online: true, state: recorder({ state: 'recording', recording: active }) } }),
    ),
    { level: 'warning', warnings: [{ code: 'recording_interrupted', message: /interrupted 2 times/ }] },
    'that it records again does not make good what is missing',
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
const records = recorder({ state: 'recording', recording: active, session_uid: UID });

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
