import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { z } from 'zod';
import { CameraConfig } from '#contracts/camera-config.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { type ConfigInputs, loadConfig } from '#runtime/config.ts';
import { explainConfig, explainInputs } from '#runtime/config-explain.ts';
import { knownKeys, nearest } from '#runtime/config-schema.ts';

const MINIMUM = `version: 1
rig: demo
camera_id: CAM_L
position: left
camera:
  source: test-pattern
`;

const folder = t.testdir({});
let files = 0;
function file(text: string): string {
  const path = join(folder, `${files++}.yml`);
  writeFileSync(path, text);
  return path;
}

function refusal(
  inputs: Partial<ConfigInputs> & { text?: string },
  schema: z.ZodType = NodeConfig,
): TouchlineError {
  const path = inputs.text === undefined ? inputs.file : file(inputs.text);
  try {
    loadConfig(schema, { env: {}, ...inputs, file: path });
  } catch (error) {
    if (error instanceof TouchlineError) return error;
    throw error;
  }
  throw new Error('was accepted');
}

t.test(
  'defaults, file, environment and flags: the later one wins, and each value knows its source',
  (t: Test) => {
    const path = file(`${MINIMUM}api:\n  port: 8090\n  host: 127.0.0.2\nlog_level: warn\n`);
    const { config, provenance } = loadConfig(NodeConfig, {
      file: path,
      env: {
        TOUCHLINE_API__PORT: '8091',
        TOUCHLINE_OFFLOAD__SERVER_URL: 'http://127.0.0.1:8081',
        TOUCHLINE_OFFLOAD__AUTO_UPLOAD: 'true',
        PATH: '/bin',
      },
      flags: ['api.port=8092', 'cameras=[CAM_L, CAM_C]', 'rig=007'],
    });
    t.equal(config.api.port, 8092);
    t.equal(config.api.host, '127.0.0.2');
    t.equal(config.offload.server_url, 'http://127.0.0.1:8081');
    t.equal(config.offload.auto_upload, true);
    t.same(config.cameras, ['CAM_L', 'CAM_C']);
    t.equal(config.rig, '007', 'text stays text where only text is accepted');
    t.equal(config.recording.max_duration_min, 180);
    t.same(provenance.get('api.port'), { source: 'flag', where: '--set api.port=8092' });
    t.same(provenance.get('api.host'), { source: 'file', where: `${path}:9` });
    t.same(provenance.get('offload.auto_upload'), { source: 'env', where: 'TOUCHLINE_OFFLOAD__AUTO_UPLOAD' });
    t.equal(provenance.has('recording.max_duration_min'), false);
    t.end();
  },
);

t.test('a file that cannot be used is named, with the line and a way out', (t: Test) => {
  const cases: [string, string, RegExp][] = [
    [
      'unknown key',
      `${MINIMUM}offload:\n  server_ur: x\n`,
      /:8: offload\.server_ur: unknown key; did you mean offload\.server_url\?/,
    ],
    [
      'key on the wrong level',
      `${MINIMUM}server_url: http://x\n`,
      /:7: server_url: unknown key; did you mean offload\.server_url\?/,
    ],
    [
      'key of nothing known',
      `${MINIMUM}api:\n  zzzzzzzzz: 1\n`,
      /:8: api\.zzzzzzzzz: unknown key here; known are host, port/,
    ],
    ['duplicate key', `${MINIMUM}rig: other\n`, /:7: Map keys must be unique/],
    [
      'wrong version',
      MINIMUM.replace('version: 1', 'version: 7'),
      /:1: version: 7 is not a version this program reads/,
    ],
    ['missing value', MINIMUM.replace('rig: demo\n', ''), /rig: is missing \(The rig this node belongs to\)/],
    ['missing section', 'version: 1\nrig: demo\ncamera_id: CAM_L\nposition: left\n', /camera: is missing/],
    [
      'unknown kind of camera',
      MINIMUM.replace('test-pattern', 'webcam'),
      /:6: camera\.source: .*'test-pattern' \| 'file'/,
    ],
    [
      'rule between two values',
      `${MINIMUM}broker:\n  host: 0.0.0.0\n`,
      /access: must be "pin" or "trusted-lan" when broker\.host is 0\.0\.0\.0; or set broker\.host to 127\.0\.0\.1/,
    ],
    ['not YAML', 'version: [1\n', /\.yml:\d+: /],
    ['two documents', `${MINIMUM}---\nversion: 1\n`, /holds 2 YAML documents/],
    ['empty', '', /is empty/],
    ['a list', '- 1\n', /must hold keys and values/],
  ];
  for (const [name, text, expected] of cases) {
    const error = refusal({ text });
    t.equal(error.code, 'configuration_invalid', name);
    t.match(error.message, expected, name);
    t.match(error.message, folder, `${name}: names the file`);
  }
  t.match(refusal({ file: join(folder, 'none.yml') }).message, /none\.yml: does not exist/);
  t.match(refusal({ file: folder }).message, /is a folder, not a file/);
  const unreadable = file(MINIMUM);
  chmodSync(unreadable, 0o000);
  if (process.getuid?.() !== 0) t.match(refusal({ file: unreadable }).message, /may not be read/);
  t.end();
});

t.test('environment and flags are held to the same rules, and named', (t: Test) => {
  const path = file(MINIMUM);
  t.match(
    refusal({ file: path, env: { TOUCHLINE_API__PROT: '1' } }).message,
    /^TOUCHLINE_API__PROT: api\.prot: unknown key; did you mean api\.port\?/,
  );
  t.match(
    refusal({ file: path, env: { TOUCHLINE_API__PORT: 'many' } }).message,
    /^TOUCHLINE_API__PORT: api\.port: .*expected number/,
  );
  t.match(
    refusal({ file: path, env: { TOUCHLINE_API__PORT: '[1' } }).message,
    /^TOUCHLINE_API__PORT: cannot be read/,
  );
  t.match(refusal({ file: path, flags: ['api.port'] }).message, /must look like section\.key=value/);
  t.match(refusal({ file: path, flags: ['api..port=1'] }).message, /is not the name of a setting/);
  t.match(refusal({ file: path, flags: ['api.port=70000'] }).message, /^--set api\.port=70000: api\.port: /);
  const both = refusal({ file: path, flags: ['api.port=-1', 'api.hots=x'] });
  t.equal(both.message.split('\n').length, 2, 'all that is wrong is said at once');
  t.equal(both.field, 'api.port');
  t.end();
});

t.test('explain has a row for each value, and none for a branch that was not chosen', (t: Test) => {
  const path = file(MINIMUM);
  const loaded = loadConfig(NodeConfig, { file: path, env: { TOUCHLINE_API__PORT: '9' } });
  const rows = new Map(explainConfig(NodeConfig, loaded).map((row) => [row.path, row]));
  t.same(rows.get('api.port'), {
    path: 'api.port',
    value: 9,
    source: 'env',
    where: 'TOUCHLINE_API__PORT',
    needed: false,
    description: 'HTTP port',
  });
  t.match(rows.get('rig'), {
    value: 'demo',
    source: 'file',
    where: `${path}:2`,
    description: 'The rig this node belongs to',
  });
  const key = 'k'.repeat(43);
  const secret = loadConfig(NodeConfig, { file: path, env: {}, flags: [`api.rig_key=${key}`] });
  const shown = explainConfig(NodeConfig, secret);
  t.match(shown.find((row) => row.path === 'api.rig_key')?.value, '(secret)');
  t.notMatch(JSON.stringify(shown.map(({ value }) => value)), key, 'a secret is never shown');
  const wifi = JSON.stringify([{ ssid: 'Club', key: 'their-password' }, { ssid: 'Open' }]);
  const listed = { file: path, env: {}, flags: [`network.home=${wifi}`] };
  for (const found of [
    explainConfig(NodeConfig, loadConfig(NodeConfig, listed)),
    explainInputs(NodeConfig, listed),
  ])
    t.match(
      found.find((row) => row.path === 'network.home')?.value,
      [
        { ssid: 'Club', key: '(secret)' },
        { ssid: 'Open', key: undefined },
      ],
      'nor one in a list',
    );
  t.equal(rows.get('api.pin_hash')?.value, undefined, 'that it is not set is');
  t.match(rows.get('storage.path'), { value: '/mnt/nvme', source: 'default', where: '' });
  t.match(rows.get('offload.server_url'), { value: undefined, source: 'default' });
  t.equal(rows.get('camera.width')?.value, 1280);
  t.equal(rows.has('camera.path'), false, 'a test pattern has no file');
  t.equal(rows.has('camera.url'), false, 'nor an address');
  const pattern = Object.keys(CameraConfig.options[0].shape).map((key) => `camera.${key}`);
  for (const key of knownKeys(NodeConfig).keys()) {
    const [section, setting] = key.split('.');
    const chosen = section !== 'camera' || pattern.includes(`${section}.${setting}`);
    if (!key.startsWith('broker.central.')) t.equal(rows.has(key), chosen, key);
  }
  t.match(
    rows.get('broker.central'),
    { value: undefined, source: 'default' },
    'one row for a section that is not there',
  );

  const server = loadConfig(ServerConfig, {
    env: {},
    flags: ['version=1', 'server.host=127.0.0.1', 'broker.host=::1'],
  });
  const serverRows = explainConfig(ServerConfig, server).map((row) => row.path);
  t.same(serverRows, [...knownKeys(ServerConfig).keys()]);
  t.end();
});

t.test('without a file, all settings are there: default, meaning, and what has to be given', (t: Test) => {
  for (const schema of [NodeConfig, ServerConfig]) {
    const rows = explainInputs(schema, { env: {} });
    t.same(
      rows.map(({ path }) => path),
      [...knownKeys(schema).keys()],
    );
    for (const { path, description } of rows) t.not(description, '', `${path} says what it is for`);
  }
  const rows = new Map(
    explainInputs(NodeConfig, { env: { TOUCHLINE_RIG: 'home' }, flags: ['api.port=9'] }).map((row) => [
      row.path,
      row,
    ]),
  );
  t.match(rows.get('camera_id'), { needed: true, value: undefined });
  t.match(rows.get('rig'), { needed: false, value: 'home', source: 'env' });
  t.match(rows.get('api.port'), { value: 9, source: 'flag' });
  t.match(rows.get('api.host'), { value: '127.0.0.1', source: 'default' });
  t.match(rows.get('camera.path'), { needed: true, description: /; when camera\.source is file$/ });
  t.match(
    rows.get('camera.bitrate_mbps')?.description,
    /default 4 when camera\.source is test-pattern, 8 when/,
  );
  t.match(rows.get('broker.central.host')?.description, /when broker\.central is given/);
  t.throws(() => explainInputs(NodeConfig, { env: {}, flags: ['api.prot=9'] }), {
    message: /did you mean api\.port/,
    remedy: 'Correct what is named.',
  });
  t.end();
});

t.test('a file for the other program is told in one line, with the program it is for', (t: Test) => {
  const node = file(MINIMUM);
  const central = file('version: 1\naccess: trusted-lan\nserver:\n  port: 8081\n');
  t.match(refusal({ file: central }), {
    message: `${central}: is a configuration of the central server, not of a camera node`,
    remedy: /config explain --server/,
  });
  t.match(refusal({ file: node }, ServerConfig), {
    message: `${node}: is a configuration of a camera node, not of the central server`,
    remedy: /without `--server`/,
  });
  t.match(refusal({ text: 'version: 1\nzzz: 1\n' }).message, /zzz: unknown key/, 'a mere mistake is none');
  t.match(refusal({}).remedy, /--config FILE/, 'no file at all');
  t.end();
});

t.test('a suggestion is near or not made', (t: Test) => {
  t.equal(nearest('prot', ['port', 'host']), 'port');
  t.equal(nearest('auto_uplaod', ['auto_upload', 'upload_on_record_stop']), 'auto_upload');
  t.equal(nearest('colour', ['port', 'host']), undefined);
  t.end();
});
