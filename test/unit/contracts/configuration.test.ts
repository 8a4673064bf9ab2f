import t from 'tap';
import type { z } from 'zod';
import { SensorsConfig } from '#contracts/health.ts';
import { NetworkConfig } from '#contracts/network.ts';
import { isLoopback, NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { SignalsConfig } from '#contracts/signals.ts';

const node = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  version: 1,
  rig: 'pitch',
  camera_id: 'CAM_L',
  position: 'left',
  camera: { source: 'test-pattern' },
  ...more,
});
const server = (more: Record<string, unknown> = {}): Record<string, unknown> => ({
  version: 1,
  server: { host: '127.0.0.1' },
  broker: { host: '127.0.0.1' },
  ...more,
});

const pathsOf = (schema: z.ZodType, value: unknown): string[] =>
  schema.safeParse(value).error?.issues.map((issue) => issue.path.join('.')) ?? [];

t.test('a node says who it is, and the rest has defaults', async (t) => {
  t.same(NodeConfig.parse(node()), {
    version: 1,
    rig: 'pitch',
    camera_id: 'CAM_L',
    position: 'left',
    cameras: ['CAM_L', 'CAM_C', 'CAM_R'],
    access: 'loopback',
    storage: { path: '/mnt/nvme' },
    camera: {
      source: 'test-pattern',
      width: 1280,
      height: 720,
      fps: 30,
      bitrate_mbps: 4,
      scene: 'bars',
      hue_deg: 0,
      view: { hfov_deg: 60, pitch_deg: -15, roll_deg: 0 },
      exposure: { gain: 1, red: 1, blue: 1 },
    },
    recording: {
      expected_duration_min: 110,
      max_duration_min: 180,
      queue_mib: 64,
      sync_interval_ms: 250,
      free_warn_percent: 15,
      free_block_percent: 10,
      pre_roll_sec: 15,
      armed_min: 30,
    },
    audio: { enabled: false, device: 'default', channels: 1 },
    sensors: SensorsConfig.parse({}),
    power: { off: 'none' },
    signals: SignalsConfig.parse({}),
    network: NetworkConfig.parse({}),
    updates: {
      channel: 'none',
      releases: { keys: '/etc/touchline/release-keys', root: '/opt/touchline' },
      automatic: 'window',
      window: { from: '02:00', to: '05:00' },
      whole_rig: true,
      check_interval_min: 60,
      health_patience_sec: 180,
      host_lock: '/tmp/balena/updates.lock',
    },
    preview: { off_above_cpu_percent: 85, on_below_cpu_percent: 70 },
    sync: {
      master: 'CAM_C',
      start_lead_ms: 1500,
      ready_timeout_ms: 1000,
      master_timeout_ms: 500,
      exchange_host: '127.0.0.1',
      exchange_port: 7123,
      clock: 'system',
      chronyd: { port: 123, upstream: [], gnss_baud: 9600 },
      beep: { enabled: false, device: 'default' },
    },
    broker: { host: '127.0.0.1', port: 1883, peers: [], queue_messages: 1000 },
    api: { host: '127.0.0.1', port: 8080, names: [] },
    offload: {
      auto_upload: false,
      upload_on_record_stop: false,
      retry_count: 5,
      retry_delay_sec: 5,
      verify_checksum: true,
      delete_after_confirm: false,
    },
    runtime_dir: '/run/touchline',
    state_dir: '/var/lib/touchline',
    log_level: 'info',
  });
  t.same(pathsOf(NodeConfig, {}), ['version', 'rig', 'camera_id', 'position', 'camera']);
});

t.test('central has the defaults of its description', async (t) => {
  const lan = { access: 'trusted-lan' };
  t.match(ServerConfig.parse({ version: 1, ...lan }), {
    server: { host: '0.0.0.0', port: 8081, max_upload_size_gb: 50, upload_timeout_sec: 3600 },
    storage: {
      root: '/data/soccer-rig',
      sessions_path: 'sessions',
      processing_path: 'processing',
      temp_path: 'temp',
      min_free_space_gb: 50,
    },
    processing: {
      ffmpeg_path: '/usr/bin/ffmpeg',
      output_codec: 'h264',
      output_preset: 'medium',
      stitch_overlap_px: 100,
    },
  });
});

t.test('names of a server are names of hosts, and nothing more', async (t) => {
  for (const [names, fits] of [
    [['rig.club.example', 'club'], true],
    [['Rig.club.example'], false],
    [['club.example:8080'], false],
    [['*.club.example'], false],
    [[''], false],
  ] as const) {
    t.equal(NodeConfig.safeParse(node({ api: { names } })).success, fits, names.join());
    t.equal(
      ServerConfig.safeParse(server({ server: { host: '127.0.0.1', names } })).success,
      fits,
      names.join(),
    );
  }
});

t.test('an unknown key is refused wherever it stands', async (t) => {
  const unknown = (schema: z.ZodType, value: unknown, at: string): void => {
    const [issue] = schema.safeParse(value).error?.issues ?? [];
    t.equal(issue?.code, 'unrecognized_keys', at);
    t.equal(issue?.path.join('.'), at, `at "${at}"`);
  };
  unknown(NodeConfig, node({ typo: 1 }), '');
  for (const part of ['storage', 'recording', 'sync', 'broker', 'api', 'offload'])
    unknown(NodeConfig, node({ [part]: { typo: 1 } }), part);
  unknown(NodeConfig, node({ camera: { source: 'test-pattern', path: '/a.mp4' } }), 'camera');
  unknown(
    NodeConfig,
    node({ broker: { peers: [{ camera_id: 'CAM_C', host: 'c', typo: 1 }] } }),
    'broker.peers.0',
  );
  unknown(ServerConfig, server({ typo: 1 }), '');
  for (const part of ['storage', 'database', 'processing'])
    unknown(ServerConfig, server({ [part]: { typo: 1 } }), part);
});

t.test('values out of bounds are refused by path', async (t) => {
  for (const [path, value] of [
    ['version', 2],
    ['rig', 'Pitch 1'],
    ['camera_id', 'left'],
    ['cameras', []],
    ['camera', { source: 'gopro' }],
    ['log_level', 'loud'],
  ] as const)
    t.ok(pathsOf(NodeConfig, node({ [path]: value }))[0]?.startsWith(path), path);
  for (const [part, key, values] of [
    ['camera', 'width', [1264, 1281, 7696]],
    ['camera', 'height', [128, 721]],
    ['camera', 'fps', [0, 29.97, 121]],
    ['recording', 'sync_interval_ms', [49, 501]],
    ['recording', 'queue_mib', [3, 1025]],
    ['recording', 'free_warn_percent', [101]],
    ['recording', 'free_block_percent', [-1, 16]],
    ['sync', 'start_lead_ms', [199, 10_001]],
    ['broker', 'port', [-1, 65_536, '1883']],
    ['offload', 'retry_count', [0, 21]],
    ['offload', 'server_url', ['central', '']],
  ] as const)
    for (const value of values) {
      const base = part === 'camera' ? { source: 'test-pattern' } : {};
      t.same(
        pathsOf(NodeConfig, node({ [part]: { ...base, [key]: value } })),
        [`${part}.${key}`],
        `${key} ${value}`,
      );
    }
});

t.test('a node belongs to its rig, and so does the master', async (t) => {
  t.same(pathsOf(NodeConfig, node({ cameras: ['CAM_C', 'CAM_R'] })), ['cameras']);
  t.same(
    pathsOf(NodeConfig, node({ cameras: ['CAM_L', 'CAM_R'] })),
    ['sync.master'],
    'the default master is not there',
  );
  t.same(
    pathsOf(NodeConfig, node({ cameras: ['CAM_L'], sync: { master: 'CAM_L' } })),
    [],
    'one camera is a rig',
  );
  t.same(pathsOf(NodeConfig, node({ cameras: ['CAM_L', 'CAM_C', 'CAM_L'] })), ['cameras'], 'named twice');
});

t.test('without authentication, other hosts than loopback are allowed by name only', async (t) => {
  for (const host of ['127.0.0.1', '127.0.0.2', '::1', 'localhost'])
    t.same(pathsOf(NodeConfig, node({ broker: { host } })), [], host);
  for (const host of [
    '0.0.0.0',
    '::',
    '192.168.1.2',
    'rig.local',
    '127.example.org',
    '127.0.0.1.example.org',
    '',
  ]) {
    t.notOk(isLoopback(host), host);
    t.same(pathsOf(NodeConfig, node({ broker: { host } })), ['access'], host);
    t.same(pathsOf(NodeConfig, node({ access: 'trusted-lan', broker: { host } })), []);
  }
  const pin = { access: 'pin', broker: { host: '0.0.0.0' } };
  const pin_hash = `$argon2id$v=19$m=19456,t=2,p=1$${'a'.repeat(22)}$${'b'.repeat(43)}`;
  t.same(pathsOf(NodeConfig, node(pin)), ['api.pin_hash'], 'a PIN is asked for, so there must be one');
  t.same(
    pathsOf(NodeConfig, node({ ...pin, api: { pin_hash: '12345678' } })),
    ['api.pin_hash'],
    'never in clear',
  );
  t.same(pathsOf(NodeConfig, node({ ...pin, api: { pin_hash, host: '0.0.0.0' } })), []);
  const peers = [{ camera_id: 'CAM_C', host: '10.0.0.2' }];
  t.same(pathsOf(NodeConfig, node({ ...pin, api: { pin_hash }, broker: { peers } })), ['api.rig_key']);
  t.same(pathsOf(ServerConfig, server({ access: 'pin' })), ['access'], 'central has no PIN');
  t.same(pathsOf(ServerConfig, server()), []);
  t.same(pathsOf(ServerConfig, server({ server: { host: '0.0.0.0' } })), ['access']);
  t.same(pathsOf(ServerConfig, server({ broker: { host: '0.0.0.0' } })), ['access']);
  t.same(pathsOf(ServerConfig, { version: 1 }), ['access', 'access'], 'and so nothing is open by default');
});
