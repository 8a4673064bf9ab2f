import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { read as readConfigJson } from 'balena-config-json';
import t, { type Test } from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import { BOOT_FILES } from '#contracts/rig-description.ts';
import { loadConfig } from '#runtime/config.ts';
import {
  BOOT_BYTES,
  BOOT_OFFSET,
  makeBalenaImage,
  readWithMtools,
  runProgram,
} from '../fixtures/balena-image.ts';
import { deviceKeyOf, layRig, SECRETS, touchline } from '../fixtures/image-rig.ts';

const folder = t.testdir({ first: {}, second: {}, base: {} });
const base = makeBalenaImage(join(folder, 'base'));
const rigFile = layRig(join(folder, 'rig'));
const first = join(folder, 'first');
const second = join(folder, 'second');
const built = (name: string, ending = '.img'): string => join(first, `home-ground-${name}${ending}`);

t.test('a camera each, from a plain image', async (t: Test) => {
  const { out, err, code } = await touchline([
    ...['image', 'build', '--base', base, '--rig', rigFile, '--out', first, '--json'],
    ...['--camera', 'CAM_L', '--camera', 'CAM_R'],
  ]);
  t.equal(code, 0, err);
  t.match(JSON.parse(out), {
    images: [{ camera_id: 'CAM_L', image: built('CAM_L') }, { camera_id: 'CAM_R' }],
  });
  const endings = ['.img', '.img.bmap', '.img.sha256', '.pdf', '.variables.json'];
  t.same(
    readdirSync(first).sort(),
    ['CAM_L', 'CAM_R'].flatMap((name) => endings.map((ending) => `home-ground-${name}${ending}`)).sort(),
    'nothing else is left',
  );
  t.equal(statSync(built('CAM_L')).mode & 0o077, 0, 'nobody else reads its secrets');
  t.match(err, /reading .*24 MiB.*CAM_L: copying/s, 'progress is shown');
});

t.test('the same bytes from the same image, packed', async (t: Test) => {
  const packed = join(folder, 'packed.bin');
  writeFileSync(packed, gzipSync(readFileSync(base), { level: 1 }));
  const argv = ['image', 'build', '--base', packed, '--rig', rigFile, '--out', second, '--camera', 'CAM_L'];
  const { err, code } = await touchline(argv);
  t.equal(code, 0, err);
  for (const name of readdirSync(second))
    t.ok(readFileSync(join(second, name)).equals(readFileSync(join(first, name))), name);
});

t.test('fdisk, fsck and bmaptool find a sound image', async (t: Test) => {
  const image = built('CAM_L');
  const table = (file: string): unknown => ({
    ...JSON.parse(runProgram('sfdisk', ['--json', file])).partitiontable,
    device: '',
    partitions: JSON.parse(runProgram('sfdisk', ['--json', file])).partitiontable.partitions.map(
      ({ node: _, ...rest }: { node: string }) => rest,
    ),
  });
  t.same(table(image), table(base), 'the partitions are those of the base');
  const boot = join(folder, 'boot.fat');
  writeFileSync(boot, readFileSync(image).subarray(BOOT_OFFSET, BOOT_OFFSET + BOOT_BYTES));
  t.doesNotThrow(
    () => runProgram('fsck.vfat', ['-n', boot]),
    'both allocation tables and all counts are right',
  );
  execFileSync('sha256sum', ['--check', '--quiet', 'home-ground-CAM_L.img.sha256'], { cwd: first });
  const copy = join(folder, 'copy.img');
  runProgram('bmaptool', ['--quiet', 'copy', '--bmap', `${image}.bmap`, image, copy]);
  t.ok(readFileSync(copy).equals(readFileSync(image)));
  t.match(
    readFileSync(`${image}.bmap`, 'utf8'),
    '<MappedBlocksCount> 4097 <',
    'what no partition covers is left out',
  );
});

t.test('its files, read by mtools and by balena', async (t: Test) => {
  const image = built('CAM_L');
  t.match(await readConfigJson(image, ''), {
    deviceType: 'raspberrypi5',
    uuid: '1'.repeat(32),
    deviceApiKey: deviceKeyOf('CAM_L'),
    hostname: 'touchline-home-ground-l',
    ntpServers: 'ntp.example.org 192.168.10.1',
    developmentMode: false,
    persistentLogging: false,
  });
  const config = readWithMtools(image, 'config.txt');
  t.match(
    config,
    /avoid_warnings=1\n.*dtoverlay=vc4-kms-v3d\n.*dtoverlay=\n.*dtparam=pciex1\n.*dtoverlay=touchline-gnss\n$/s,
  );
  t.notMatch(config, 'disable_splash=0');
  t.match(readWithMtools(image, 'cmdline.txt'), /rootwait panic=10 .*cfg80211.ieee80211_regdom=CH\n$/);
  t.match(
    readWithMtools(image, 'system-connections/touchline-home-1'),
    /ssid=Club house\n.*psk=tea; at "half"-time\n/s,
  );
  t.match(readWithMtools(image, BOOT_FILES.chrony), 'server ntp.example.org iburst\n');
  t.match(
    readWithMtools(image, 'overlays/vc4-kms-v3d.dtbo'),
    'an overlay of the base',
    'what was there stays',
  );

  const overlay = join(folder, 'gnss.dtbo');
  runProgram('mcopy', ['-i', `${image}@@${BOOT_OFFSET}`, '::/overlays/touchline-gnss.dtbo', overlay]);
  t.match(runProgram('dtc', ['-q', '-I', 'dtb', '-O', 'dts', overlay]), 'pps-gpio');

  const nodeFile = join(folder, 'node.yml');
  writeFileSync(nodeFile, readWithMtools(image, BOOT_FILES.node));
  t.match(loadConfig(NodeConfig, { file: nodeFile, env: {} }).config, {
    rig: 'home-ground',
    camera_id: 'CAM_L',
    position: 'left',
    access: 'pin',
    signals: { panel: 'gpio', beeper: 'pwm' },
    sensors: { battery: 'serial', battery_device: '/dev/ttyAMA0' },
    network: { home: SECRETS.home, access_point: { key: SECRETS.access_point_key } },
    offload: { server_url: 'http://192.168.10.20:8081' },
    sync: { chronyd: { pps_device: '/dev/pps0', upstream: ['ntp.example.org', '192.168.10.1'] } },
  });
  const variables = JSON.parse(readFileSync(built('CAM_L', '.variables.json'), 'utf8'));
  t.match(JSON.parse(`[${variables.BALENA_HOST_CONFIG_dtoverlay}]`), [
    'vc4-kms-v3d,cma-128',
    'touchline-signals',
  ]);
});

t.test('an image has the secrets of its own device', async (t: Test) => {
  const left = readFileSync(built('CAM_L'));
  t.ok(left.includes(deviceKeyOf('CAM_L')));
  for (const foreign of [deviceKeyOf('CAM_R'), '3'.repeat(32), deviceKeyOf('CAM_C')])
    t.notOk(left.includes(foreign), foreign);
  t.notOk(left.includes(SECRETS.pin), 'and of the PIN the hash alone');
});

t.test('the sheet of a camera', async (t: Test) => {
  const text = runProgram('pdftotext', ['-layout', built('CAM_L', '.pdf'), '-']);
  for (const expected of [
    'CAM_L',
    'home-ground',
    '9081 7263',
    'SOCCER_CAM_L',
    SECRETS.access_point_key,
    'http://10.42.7.1:8080/',
    'touchline-home-ground-l.local',
    '1'.repeat(32),
  ])
    t.ok(text.includes(expected), expected);
  t.notOk(text.includes(SECRETS.rig_key));
});

t.test('inspect shows where each value came from, and no secret', async (t: Test) => {
  const { out, code } = await touchline(['image', 'inspect', built('CAM_L')]);
  t.equal(code, 0);
  t.match(out, /dtparam = watchdog=on\n +from machine\/raspberrypi5: /);
  t.match(out, /persistentLogging = false\n +from base/);
  t.notMatch(out, 'Changed since');
  for (const secret of [
    deviceKeyOf('CAM_L'),
    SECRETS.rig_key,
    SECRETS.access_point_key,
    'half',
    SECRETS.pin_hash,
  ])
    t.notOk(out.includes(secret), secret);

  const edited = join(folder, 'edited.img');
  copyFileSync(built('CAM_L'), edited);
  const file = join(folder, 'config.txt');
  writeFileSync(file, 'dtparam=watchdog=off\n');
  runProgram('mcopy', ['-D', 'o', '-i', `${edited}@@${BOOT_OFFSET}`, file, '::/config.txt']);
  const found = JSON.parse((await touchline(['image', 'inspect', edited, '--json'])).out);
  t.same(found.changed, ['config.txt']);
  t.same(found.variables, { BALENA_HOST_CONFIG_dtparam: '"watchdog=off"' });
  t.match(found.configJson, { deviceApiKey: '(secret)' });
  t.match((await touchline(['image', 'inspect', base])).out, 'Not made by');
});
