import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { parse } from 'yaml';
import { RigDescription, RigSecrets } from '#contracts/rig-description.ts';
import { isPin } from '#services/api/pin.ts';
import { readRig } from '../../../cli/image/layers.ts';
import { runCommandLine } from '../../../cli/program.ts';

/** One command line with a terminal, or without one. `answers`: what is typed when the words before have been shown. */
async function run(
  cwd: string,
  argv: readonly string[],
  answers?: readonly [shown: string, typed: string][],
) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: answers !== undefined,
    setRawMode: () => undefined,
  });
  let [told, code] = ['', 0];
  const left = [...(answers ?? [])];
  stderr.on('data', (chunk: Buffer) => {
    told += chunk.toString();
    const [next] = left;
    if (next === undefined || !told.includes(next[0])) return;
    left.shift();
    told = '';
    // It listens only after it has drawn its question.
    setImmediate(() => stdin.write(next[1]));
  });
  await runCommandLine(
    {
      env: {},
      cwd,
      root: process.cwd(),
      node: process.execPath,
      superuser: false,
      stdin,
      stdout,
      stderr: Object.assign(stderr, { isTTY: answers !== undefined }),
      exit: (value) => {
        code = value;
      },
    },
    ['rig', 'init', ...argv],
  );
  return { told, code, left: left.length };
}

t.test('by flags, without a question', async (t: Test) => {
  const folder = t.testdir({ 'key.txt': 'half-time tea\n' });
  const argv = ['--yes', '--rig', 'home-ground', '--hardware', 'signals,beeper', '--wifi', 'Club house'];
  const { code, told } = await run(folder, [
    ...argv,
    ...['--wifi-key-file', 'key.txt', '--country', 'CH', '--central', '192.168.10.20'],
  ]);
  t.equal(code, 0, told);
  const { description, secrets } = await readRig(join(folder, 'rig.yml'));
  t.match(description, {
    rig: 'home-ground',
    mode: 'production',
    hardware: ['signals', 'beeper'],
    cameras: [{ camera_id: 'CAM_L' }, { camera_id: 'CAM_C' }, { camera_id: 'CAM_R' }],
    network: { country: 'CH', home: ['Club house'] },
    central: { host: '192.168.10.20', upload_port: 8081 },
  });
  t.same(secrets.home, [{ ssid: 'Club house', key: 'half-time tea' }]);
  t.ok(await isPin(secrets.pin, secrets.pin_hash), 'the hash is that of the PIN');
  t.equal(statSync(join(folder, 'rig.secrets.yml')).mode & 0o777, 0o600);
  t.notOk(told.includes(secrets.pin), 'secrets are not printed');

  const before = readFileSync(join(folder, 'rig.secrets.yml'), 'utf8');
  const again = await run(folder, argv);
  t.equal(again.code, 1);
  t.match(again.told, /rig.secrets.yml is there already/);
  t.equal(readFileSync(join(folder, 'rig.secrets.yml'), 'utf8'), before);
});

t.test('what is missing or impossible is named', async (t: Test) => {
  const folder = t.testdir({});
  const refuses = async (argv: readonly string[], expected: RegExp): Promise<void> => {
    const { told, code } = await run(folder, argv);
    t.equal(code, 1);
    t.match(told, expected);
  };
  await refuses(['--yes'], /--rig is missing/);
  await refuses([], /no terminal to ask on.*--yes/s);
  await refuses(['--yes', '--rig', 'Home Ground'], /rig: must be 1 to 32/);
  await refuses(['--yes', '--rig', 'x', '--hardware', 'signals,horn'], /hardware/);
  await refuses(['--yes', '--rig', 'x', '--wifi-key-file', 'k'], /--wifi-key-file: say the name/);
  await refuses(['--yes', '--rig', 'x', '--wifi', 'y', '--wifi-key-file', 'none'], /none: cannot be read/);
  writeFileSync(join(folder, 'short.txt'), 'short');
  await refuses(['--yes', '--rig', 'x', '--wifi', 'y', '--wifi-key-file', 'short.txt'], /8 to 63/);
  t.throws(() => statSync(join(folder, 'rig.yml')), 'and nothing is written');
});

t.test('on a terminal it asks', async (t: Test) => {
  const folder = t.testdir({});
  const { code, left, told } = await run(
    folder,
    ['--central', ''],
    [
      ['What is the rig called?', 'pitch-two\r'],
      ['Which cameras', '\r'],
      ['What is wired', ' \r'],
      ['Name of the Wi-Fi', 'Club house\r'],
      ['Key of Club house', 'half-time tea\r'],
      ['Country', 'CH\r'],
    ],
  );
  t.equal(code, 0, told);
  t.equal(left, 0, 'all was asked');
  const read = (name: string): unknown => parse(readFileSync(join(folder, name), 'utf8'));
  t.match(RigDescription.parse(read('rig.yml')), {
    rig: 'pitch-two',
    hardware: ['signals'],
    network: { country: 'CH', home: ['Club house'] },
    central: undefined,
  });
  t.same(RigSecrets.parse(read('rig.secrets.yml')).home, [{ ssid: 'Club house', key: 'half-time tea' }]);
});
