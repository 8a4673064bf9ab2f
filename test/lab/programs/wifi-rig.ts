import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { club, run, takeRadio, until } from '../wifi/machines.ts';
import { HOME, KEYS, type RigNode, startNode } from '../wifi/node.ts';

/**
 * A rig on a day out, in a guest: at home, on the pitch, back. Prints lines `LAB-SAY {json}`: `log` for people, `failure`, and at the end `figures`.
 */

const { FLAPS = '1' } = process.env;
const MINUTE_MS = 60_000;
const START_MS = 180_000;
const JOIN_MS = 240_000;
/** How long nothing may happen for it to count as let alone: several looks for home. */
const QUIET_MS = 30_000;

const begun = performance.now();
const say = (line: object): void => void process.stdout.write(`LAB-SAY ${JSON.stringify(line)}\n`);
const log = (text: string): void =>
  say({ log: `[${((performance.now() - begun) / 1000).toFixed(0)} s] ${text}` });
const figures: Record<string, unknown> = {};
const expect = (holds: boolean, what: string): void => {
  log(`${holds ? 'ok' : 'NOT OK'}: ${what}`);
  if (!holds) say({ failure: what });
};

for (const [radio, namespace] of [
  ['wlan0', 'home'],
  ['wlan1', 'cam-l'],
  ['wlan2', 'cam-c'],
  ['wlan3', 'cam-r'],
  ['wlan4', 'phone'],
] as const)
  takeRadio(radio, namespace);
const home = club('home', 'wlan0');
const appear = (): Promise<void> => home.appear(HOME, { key: KEYS.home, channel: 6 });

const node = (camera: 'CAM_L' | 'CAM_C' | 'CAM_R', radio: string): RigNode => startNode(camera, radio, log);
const left = node('CAM_L', 'wlan1');
let center = node('CAM_C', 'wlan2');
const right = node('CAM_R', 'wlan3');
const all = (): RigNode[] => [left, center, right];

const inMode = (nodes: readonly RigNode[], mode: string, ssid?: string): boolean =>
  nodes.every(({ now }) => now.network?.mode === mode && (ssid === undefined || now.network.ssid === ssid));
const together = (nodes: readonly RigNode[]): boolean =>
  nodes.every(
    ({ now }) =>
      (now.network?.peers.length ?? 0) >= nodes.length - 1 &&
      (now.there?.length ?? 0) >= nodes.length &&
      now.knows_time === true,
  );
const recording = (nodes: readonly RigNode[]): boolean =>
  nodes.every(({ now }) => now.recorder?.state === 'recording' && now.recorder.frames > 0);
const idle = (nodes: readonly RigNode[]): boolean => nodes.every(({ now }) => now.recorder?.state === 'idle');
const describe = (nodes: readonly RigNode[]): string =>
  JSON.stringify(nodes.map(({ camera, now }) => ({ camera, ...now })));
const reach = async (
  what: string,
  ms: number,
  condition: () => boolean | Promise<boolean>,
): Promise<number> => {
  try {
    const sec = await until(what, ms, condition);
    log(`ok: ${what}, after ${sec.toFixed(1)} s`);
    return Math.round(sec * 10) / 10;
  } catch (error) {
    throw new Error(`${(error as Error).message}; ${describe(all())}`);
  }
};
let lost = 0;
/** What is said to be lost, from a recorder that still records. */
const countLost = (nodes: readonly RigNode[]): void => {
  for (const { camera, now } of nodes) {
    lost += now.recorder?.dropped ?? 0;
    expect(now.recorder?.part === 1, `the recording of ${camera} went on in one piece`);
  }
};
const stop = async (by: RigNode, nodes: readonly RigNode[]): Promise<void> => {
  countLost(nodes);
  await by.tell('stop');
  await reach('all have stopped', MINUTE_MS, () => idle(nodes));
};
const start = async (by: RigNode, nodes: readonly RigNode[]): Promise<void> => {
  // A node that is asked while another task keeps the guest busy may be too late: the people on the pitch press again.
  await reach(`${by.camera} starts the rig`, START_MS, () =>
    by.tell('start').then(
      () => true,
      (error: Error) => {
        log(error.message);
        return false;
      },
    ),
  );
  await reach('all record', MINUTE_MS, () => recording(nodes));
  const starts = new Set(nodes.map(({ now }) => `${now.recorder?.session_uid} ${now.recorder?.start_at}`));
  expect(starts.size === 1, `${nodes.length} nodes record one session from one instant`);
};

try {
  await appear();
  figures.joined_home_sec = await reach('all are on the home network', JOIN_MS, () =>
    inMode(all(), 'home', HOME),
  );
  await reach('they have found each other', JOIN_MS, () => together(all()));

  await start(left, all());
  for (let flap = 1; flap <= Number(FLAPS); flap++) {
    await home.vanish();
    await sleep(1500);
    await appear();
    await sleep(3500);
  }
  figures.flaps = Number(FLAPS);
  expect(recording(all()), `the home network flapped ${FLAPS} times, and all record`);
  await reach('all are on the home network again', JOIN_MS, () => inMode(all(), 'home', HOME));
  await home.vanish();
  figures.met_sec = await reach(
    'they meet on the access point of the master',
    JOIN_MS,
    () => inMode([center], 'access-point', 'SOCCER_CAM_C') && inMode([left, right], 'member', 'SOCCER_CAM_C'),
  );
  expect(recording(all()), 'the home network vanished while they recorded, and all record');
  await reach('they are together there', JOIN_MS, () => together(all()));
  await stop(left, all());
  await start(right, all());

  figures.phone_sec = await phone();
  await stop(center, all());

  await center.cut();
  figures.takeover_sec = await reach(
    'the master died, and the next takes over',
    JOIN_MS,
    () => inMode([left], 'access-point', 'SOCCER_CAM_L') && inMode([right], 'member', 'SOCCER_CAM_L'),
  );
  await reach('both are together', JOIN_MS, () => together([left, right]));
  await start(right, [left, right]);
  // Its radio came back to the guest with its network.
  run('ip', 'netns', 'del', 'cam-c');
  await until('the radio of the master', MINUTE_MS, () =>
    run('ls', '/sys/class/net').split('\n').includes('wlan0'),
  );
  run('ip', 'link', 'set', 'wlan0', 'name', 'wlan2');
  takeRadio('wlan2', 'cam-c');
  center = node('CAM_C', 'wlan2');
  figures.rejoined_sec = await reach('the master is back, and joins what is there', JOIN_MS, () =>
    inMode([center], 'member', 'SOCCER_CAM_L'),
  );

  const before = all().map(({ modes }) => modes.length);
  await appear();
  await sleep(QUIET_MS);
  expect(
    all().every(({ modes }, index) => modes.length === before[index]),
    'home returned while they recorded, and nobody moved',
  );
  await stop(left, [left, right]);
  figures.went_home_sec = await reach('the recording ended, and all go home', JOIN_MS, () =>
    inMode(all(), 'home', HOME),
  );
} catch (error) {
  say({ failure: (error as Error).message });
}
figures.frames_lost = lost;
say({ figures });
process.exit();

/** Somebody's phone: joins, gets an address, opens the dashboard. */
async function phone(): Promise<number> {
  const since = performance.now();
  writeFileSync('/tmp/phone.conf', `network={\n ssid="SOCCER_CAM_C"\n psk="${KEYS.rig}"\n ieee80211w=1\n}\n`);
  const inside = ['netns', 'exec', 'phone'];
  const supplicant = spawn('ip', [...inside, 'wpa_supplicant', '-Dnl80211', '-iwlan4', '-c/tmp/phone.conf'], {
    stdio: 'ignore',
  });
  const ended = once(supplicant, 'close');
  try {
    await until('the phone to join', MINUTE_MS, () =>
      run('ip', ...inside, 'iw', 'dev', 'wlan4', 'link').includes('Connected'),
    );
    run(
      'ip',
      ...inside,
      'dhclient',
      '-1',
      '-q',
      '-sf',
      '/sbin/dhclient-script',
      '-pf',
      '/tmp/dhclient.pid',
      '-lf',
      '/tmp/dhclient.leases',
      'wlan4',
    );
    const address = /inet (10\.42\.7\.\d+)/.exec(
      run('ip', ...inside, 'ip', '-4', 'addr', 'show', 'wlan4'),
    )?.[1];
    expect(address !== undefined, `the phone has the address ${address}`);
    const asks = `fetch('http://10.42.7.1:8080/').then(async (r) => console.log(r.status + ' ' + (await r.text())))`;
    const page = run('ip', ...inside, 'node', '-e', asks);
    expect(
      page.startsWith('200 ') && page.includes('<script'),
      `the phone opens the dashboard: ${page.slice(0, 60)}`,
    );
    return Math.round((performance.now() - since) / 100) / 10;
  } finally {
    supplicant.kill('SIGKILL');
    await ended;
  }
}
