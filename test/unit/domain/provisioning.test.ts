import t, { type Test } from 'tap';
import { FirmwareLayer, RigDescription, RigSecrets } from '#contracts/rig-description.ts';
import { blockMap } from '#domain/provisioning/bmap.ts';
import { kernelCommandLine } from '#domain/provisioning/cmdline.ts';
import { configTxt, hostConfigVariables } from '#domain/provisioning/config-txt.ts';
import { keyfile, wifiConnection } from '#domain/provisioning/connections.ts';
import { bootFiles, deviceConfigJson, hostName, wifiCode } from '#domain/provisioning/device-files.ts';
import { mergeLayers } from '#domain/provisioning/recipe.ts';

const why = 'A reason that is long enough.';
const layer = (name: string, sections: Record<string, [key: string, value: unknown][]>) =>
  FirmwareLayer.parse({
    layer: name,
    ...Object.fromEntries(
      Object.entries(sections).map(([section, entries]) => [
        section,
        entries.map(([key, value]) => ({ key, value, why })),
      ]),
    ),
  });

t.test('a later layer wins, and the result says where each value came from', (t: Test) => {
  const recipe = mergeLayers([
    layer('base', {
      config_txt: [
        ['dtparam', 'watchdog=on'],
        ['dtparam', 'pciex1'],
        ['disable_splash', '1'],
        ['dtoverlay', 'touchline-signals'],
      ],
      cmdline: [['console', 'tty1']],
      node: [['camera.fps', 30]],
    }),
    layer('machine/x', {
      config_txt: [['dtparam', 'watchdog=off']],
      cmdline: [['console', 'serial0,115200']],
    }),
    layer('rig/own', {
      config_txt: [
        ['disable_splash', null],
        ['dtoverlay', 'touchline-signals,debounce=5'],
      ],
      node: [['camera.fps', 20]],
    }),
    layer('rig/cam-l', { config_txt: [['dtparam', 'watchdog=30']] }),
  ]);
  t.same(
    recipe.config_txt.map(({ key, value, from, over }) => [key, value, from, over]),
    [
      ['dtparam', 'watchdog=30', 'rig/cam-l', ['base', 'machine/x']],
      ['dtparam', 'pciex1', 'base', []],
      ['dtoverlay', 'touchline-signals,debounce=5', 'rig/own', ['base']],
    ],
  );
  t.same(recipe.removed.config_txt, ['disable_splash']);
  t.same(
    recipe.cmdline.map(({ value }) => value),
    ['tty1', 'serial0,115200'],
    'a console more is no other value of the first',
  );
  t.match(recipe.node, [{ value: 20, from: 'rig/own', over: ['base'] }]);
  t.end();
});

t.test('config.txt keeps what the base says, and parameters stay those of the board', (t: Test) => {
  const base =
    'avoid_warnings=1\ndtparam=i2c_arm=on\n[pi4]\nover_voltage=2\ndtoverlay=vc4-kms-v3d\ndisable_splash=0\n\n';
  const { config_txt: settings, removed } = mergeLayers([
    layer('base', {
      config_txt: [
        ['dtoverlay', 'touchline-gnss'],
        ['dtparam', 'pciex1'],
        ['disable_splash', '1'],
        ['dtoverlay:vc4-kms-v3d', null],
      ],
    }),
  ]);
  t.equal(
    configTxt(base, settings, removed.config_txt),
    'avoid_warnings=1\ndtparam=i2c_arm=on\n[pi4]\nover_voltage=2\n\n# Touchline, from here on. Above: the image it was made of.\n[all]\n' +
      '# base\ndtparam=pciex1\ndisable_splash=1\n# base\ndtoverlay=touchline-gnss\n',
  );
  t.match(
    configTxt(base, settings),
    /dtoverlay=vc4-kms-v3d\n\n.*\n\[all\]\ndtoverlay=\n# base\ndtparam=pciex1\n/s,
  );
  const again = configTxt(configTxt(base, settings), settings);
  t.equal(again.match(/dtparam=pciex1$/gm)?.length, 1, 'nothing stands twice when it is done again');
  t.end();
});

/** How the Supervisor reads one of its variables: a list when it begins with a quote (config-txt.ts of balena-supervisor). */
function supervisorReads(name: string, value: string): string | string[] {
  if (!/_(dtparam|dtoverlay|device_tree_param|device_tree_overlay|gpio)$/.test(name)) return value;
  return value.startsWith('"') ? JSON.parse(`[${value}]`) : [value];
}

t.test('variables of balena are quoted so that its Supervisor reads them back', (t: Test) => {
  const values = ['i2c_arm=on', 'strange="quoted"', 'back\\slash', 'a b'];
  const text = `${values.map((value) => `dtparam=${value}`).join('\n')}\ndtoverlay=vc4-kms-v3d,cma-128\ndtparam=audio=on\ndtparam=nohdmi\ndtoverlay=\ndtparam=watchdog=on\ngpio=18=op,dl\ncamera_auto_detect=1\n# dtparam=not\n`;
  const variables = hostConfigVariables(text);
  const read = Object.fromEntries(
    [...variables].map(([name, value]) => [
      name.replace('BALENA_HOST_CONFIG_', ''),
      supervisorReads(name, value),
    ]),
  );
  t.same(read, {
    dtparam: [...values, 'audio=on', 'watchdog=on'],
    dtoverlay: ['vc4-kms-v3d,cma-128,nohdmi'],
    gpio: ['18=op,dl'],
    camera_auto_detect: '1',
  });
  t.equal(variables.get('BALENA_HOST_CONFIG_gpio'), '"18=op,dl"', 'quoted also when it is one alone');
  t.throws(() => supervisorReads('BALENA_HOST_CONFIG_dtparam', '"a,"b"'), 'a badly quoted list stops it');
  t.end();
});

t.test('what would break a file of the firmware is refused', (t: Test) => {
  const refuses = (section: string, key: string, value: unknown, expected: RegExp): void => {
    const parsed = FirmwareLayer.safeParse({ layer: 'base', [section]: [{ key, value, why }] });
    t.match(parsed.error?.issues[0]?.message, expected, `${section} ${key}`);
  };
  refuses('config_txt', 'dtparam', 'a=1,b=2', /one parameter/);
  refuses('config_txt', 'dtparam', 'a\nkernel=evil', /printable/);
  refuses('config_txt', 'initramfs', 'x', /keeps to itself/);
  refuses('config_txt', 'gpio', 'x'.repeat(100), /98 characters/);
  refuses('config_txt', 'dtoverlay:x', 'x', /colon/);
  refuses('config_txt', '[pi5]', '1', /key of config.txt/);
  refuses('cmdline', 'root', '/dev/x init=/bin/sh', /spaces/);
  refuses('connections', 'home', {}, /./);
  t.end();
});

t.test('the command line of the kernel', (t: Test) => {
  const { cmdline, removed } = mergeLayers([
    layer('base', {
      cmdline: [
        ['panic', '10'],
        ['quiet', ''],
        ['console', 'tty3'],
        ['splash', null],
      ],
    }),
  ]);
  t.equal(
    kernelCommandLine('console=tty1 root=LABEL=a=b  panic=0 splash rootwait\n', cmdline, removed.cmdline),
    'console=tty1 root=LABEL=a=b panic=10 rootwait quiet console=tty3\n',
  );
  t.end();
});

t.test('connections as NetworkManager reads them', (t: Test) => {
  const file = keyfile(
    'touchline-home-1',
    wifiConnection({ ssid: 'Club house', key: ' back\\slash; #1', priority: 2 }),
  );
  t.match(
    file,
    /^\[connection\]\nid=touchline-home-1\ntype=wifi\nautoconnect=true\nautoconnect-priority=2\n\n\[wifi\]\n/,
  );
  t.match(file, '\nssid=Club house\n');
  t.match(file, '\npsk=\\sback\\\\slash; #1\n');
  t.notMatch(keyfile('x', wifiConnection({ ssid: 'Open', priority: 1 })), 'wifi-security');
  for (const ssid of ['49;50;', ' begins', 'semi;colon', 'ends ', '5G']) {
    const [, value = ''] = /\nssid=(.*)\n/.exec(keyfile('x', wifiConnection({ ssid, priority: 1 }))) ?? [];
    t.equal(String.fromCharCode(...value.split(';').filter(Boolean).map(Number)), ssid);
  }
  t.end();
});

const rig = RigDescription.parse({
  version: 1,
  rig: 'home',
  cameras: [
    { camera_id: 'CAM_L', position: 'left' },
    { camera_id: 'CAM_C', position: 'center' },
  ],
});
const UUID = '0123456789abcdef'.repeat(2);
const device = { deviceType: 'raspberrypi5', uuid: UUID, deviceApiKey: 'k', registered_at: 1 };

t.test('config.json holds the identity of one device, and nothing that opens a fleet', (t: Test) => {
  const { config_json: settings } = mergeLayers([
    layer('base', {
      config_json: [
        ['os.network.connectivity.interval', '60'],
        ['hostname', 'touchline-home-l'],
      ],
    }),
  ]);
  const make = (base: Record<string, unknown>, own: Record<string, unknown> | undefined, mode = rig.mode) =>
    deviceConfigJson({
      rig: { ...rig, mode },
      base,
      device: own,
      deviceFile: 'CAM_L.json',
      settings,
      removed: ['sshKeys'],
    });
  const base = { deviceType: 'raspberrypi5', os: { network: { x: 1 } }, sshKeys: ['a'] };
  t.same(make(base, device), {
    ...device,
    os: { network: { x: 1, connectivity: { interval: '60' } } },
    hostname: 'touchline-home-l',
  });
  t.same(base.os, { network: { x: 1 } }, 'the base is not changed');
  t.throws(() => make({ developmentMode: true }, device), {
    code: 'configuration_invalid',
    field: 'developmentMode',
  });
  t.equal(make({ developmentMode: true }, device, 'development').developmentMode, true);
  t.throws(() => make({ uuid: UUID }, undefined), { code: 'configuration_invalid', field: 'uuid' });
  t.throws(() => make({ deviceApiKey: 'k' }, device), {
    code: 'configuration_invalid',
    field: 'deviceApiKey',
  });
  t.throws(() => make({ apiKey: 'fleet' }, device), { code: 'configuration_invalid', field: 'apiKey' });
  t.throws(() => make({}, { ...device, apiKey: 'fleet' }), {
    code: 'configuration_invalid',
    field: 'apiKey',
  });
  t.throws(() => make({ deviceType: 'raspberrypi4-64' }, device), {
    field: 'deviceType',
    message: /the base image/,
  });
  t.throws(() => make({}, { ...device, deviceType: 'intel-nuc' }), {
    field: 'deviceType',
    message: /CAM_L.json/,
  });
  t.throws(() => make({}, { ...device, uuid: 'abc' }), { code: 'configuration_invalid', field: 'uuid' });
  t.throws(() => make({}, { uuid: UUID }), { code: 'configuration_invalid', field: 'deviceApiKey' });
  t.throws(() => make({}, { deviceApiKey: 'k' }), { code: 'configuration_invalid', field: 'uuid' });
  t.end();
});

t.test('a rig that cannot be is refused by field', (t: Test) => {
  const refuses = (change: Record<string, unknown>, path: string): void => {
    const parsed = RigDescription.safeParse({ ...rig, ...change });
    t.ok(
      parsed.error?.issues.some((issue) => issue.path.join('.') === path),
      `${path}: ${parsed.error?.message}`,
    );
  };
  const [left] = rig.cameras;
  refuses({ cameras: [left, left], master: 'CAM_L' }, 'cameras.1.camera_id');
  refuses({ master: 'CAM_R' }, 'master');
  refuses({ hardware: ['beeper'] }, 'hardware');
  refuses({ hardware: ['signals', 'beeper', 'beeper-pwm'] }, 'hardware');
  refuses({ hardware: ['ups-i2c', 'ups-serial'] }, 'hardware');
  refuses({ network: { home: ['SOCCER_CAM_X'] } }, 'network.home');
  refuses(
    {
      cameras: rig.cameras.map((camera) => ({ ...camera, balena: 'same.json' })),
    },
    'cameras.1.balena',
  );
  t.notOk(RigSecrets.safeParse({ version: 1, pin: '1234' }).success);
  t.end();
});

t.test('a base without a command line cannot get settings for it', (t: Test) => {
  const recipe = mergeLayers([layer('base', { cmdline: [['panic', '10']] })]);
  const parts = {
    recipe,
    base: { configTxt: '', cmdline: undefined, configJson: {} },
    configJson: {},
    nodeConfig: '',
  };
  t.throws(() => bootFiles(parts), { code: 'image_invalid' });
  t.end();
});

t.test('names and codes', (t: Test) => {
  t.equal(hostName({ rig: 'home-ground' }, { camera_id: 'CAM_L' }), 'touchline-home-ground-l');
  t.match(
    hostName({ rig: '-'.repeat(32) }, { camera_id: 'CAM_ABCDEFGHIJKLMNOP' }),
    /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  );
  t.equal(wifiCode('CAM_L', 'a;b:c\\"d,e'), 'WIFI:T:WPA;S:SOCCER_CAM_L;P:a\\;b\\:c\\\\\\"d\\,e;;');
  t.end();
});

t.test('a block map carries its own checksum over zeros', (t: Test) => {
  let hashed = '';
  const map = blockMap(
    {
      sizeBytes: 5 * 4096 + 1,
      ranges: [
        { first: 0, last: 1, sha256: 'a'.repeat(64) },
        { first: 4, last: 4, sha256: 'b'.repeat(64) },
      ],
    },
    (text) => {
      hashed = text;
      return 'c'.repeat(64);
    },
  );
  t.match(hashed, `<BmapFileChecksum> ${'0'.repeat(64)} <`);
  t.match(map, `<BmapFileChecksum> ${'c'.repeat(64)} <`);
  t.match(map, '<BlocksCount> 6 <');
  t.match(map, '<MappedBlocksCount> 3 <');
  t.match(map, `<Range chksum="${'b'.repeat(64)}"> 4 </Range>`);
  t.end();
});
