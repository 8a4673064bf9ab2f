import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Inside the guest: machines with a radio each, in namespaces, and what else has one. */

const HOST = '/host';
const JOBS = '/product/test/lab/jobs';

export function run(command: string, ...args: string[]): string {
  return execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
}

/** Name of the physical radio behind an interface. */
function phyOf(radio: string): string {
  return run('cat', `/sys/class/net/${radio}/phy80211/name`).trim();
}

export function takeRadio(radio: string, namespace: string): void {
  const phy = phyOf(radio);
  run('ip', 'netns', 'add', namespace);
  run('iw', 'phy', phy, 'set', 'netns', 'name', namespace);
  run('ip', '-n', namespace, 'link', 'set', 'lo', 'up');
}

export interface Machine {
  readonly child: ChildProcess;
  /** Its system bus, as everybody in the guest reaches it. */
  readonly bus: string;
  /** Ends all of it at once, as a power cut does. */
  cut(): Promise<void>;
}

/** A machine with NetworkManager that runs `command`. */
export function startMachine(options: {
  readonly namespace: string;
  readonly radio: string;
  readonly machineId: string;
  readonly command: readonly string[];
}): Machine {
  const { namespace, radio, machineId, command } = options;
  const child = spawn(
    'ip',
    [
      // Its processes have no namespace: NetworkManager has to know those that ask it.
      ...['netns', 'exec', namespace, 'unshare', '--mount', '--uts'],
      ...['sh', `${JOBS}/wifi-machine.sh`, ...command],
    ],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
      env: { ...process.env, NAME: namespace, RADIO: radio, MACHINE_ID: machineId },
    },
  );
  const ended = once(child, 'close');
  return {
    child,
    bus: `unix:path=/run/machines/${namespace}/system_bus_socket`,
    async cut() {
      for (const pid of run('ip', 'netns', 'pids', namespace).split('\n')) if (pid !== '') kill(Number(pid));
      await ended;
    },
  };
}

/** Also one that has ended meanwhile. */
function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/** The network of a club: an access point that gives addresses, in a namespace of its own. */
export function club(namespace: string, radio: string) {
  let children: ChildProcess[] = [];
  run('ip', '-n', namespace, 'addr', 'add', '192.168.77.1/24', 'dev', radio);
  return {
    async appear(
      ssid: string,
      options: { readonly key: string; readonly hidden?: boolean; readonly channel?: number },
    ) {
      writeFileSync(
        `${HOST}/hostapd.conf`,
        [
          `interface=${radio}`,
          'driver=nl80211',
          `ssid=${ssid}`,
          'hw_mode=g',
          `channel=${options.channel ?? 1}`,
          `ignore_broadcast_ssid=${options.hidden ? 1 : 0}`,
          'wpa=2',
          'wpa_key_mgmt=WPA-PSK',
          'rsn_pairwise=CCMP',
          'ieee80211w=1',
          `wpa_passphrase=${options.key}`,
          '',
        ].join('\n'),
      );
      children = [
        spawn('ip', ['netns', 'exec', namespace, 'hostapd', `${HOST}/hostapd.conf`], { stdio: 'ignore' }),
        spawn(
          'ip',
          [
            ...[
              'netns',
              'exec',
              namespace,
              'dnsmasq',
              '--keep-in-foreground',
              '--conf-file=/dev/null',
              '--port=0',
            ],
            ...[`--interface=${radio}`, '--bind-interfaces', '--dhcp-range=192.168.77.10,192.168.77.99,1h'],
            ...['--dhcp-leasefile=/tmp/club.leases', '--dhcp-authoritative'],
          ],
          { stdio: 'ignore' },
        ),
      ];
    },
    /** At once, without a word to anybody. */
    async vanish() {
      const ending = children.splice(0);
      for (const child of ending) child.kill('SIGKILL');
      await Promise.all(
        ending.map(async (child) => child.exitCode ?? child.signalCode ?? once(child, 'close')),
      );
      run('ip', '-n', namespace, 'link', 'set', radio, 'down');
      run('ip', '-n', namespace, 'link', 'set', radio, 'up');
      run('ip', '-n', namespace, 'addr', 'replace', '192.168.77.1/24', 'dev', radio);
    },
  };
}

export async function until(
  what: string,
  patienceMs: number,
  condition: () => boolean | Promise<boolean>,
): Promise<number> {
  const begun = performance.now();
  while (!(await condition())) {
    if (performance.now() - begun > patienceMs) throw new Error(`waited ${patienceMs / 1000} s for ${what}`);
    await sleep(200);
  }
  return (performance.now() - begun) / 1000;
}
