import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, shareWith } from './machine/bundle.ts';
import { boot, type Guest } from './machine/guest.ts';
import { type LabOptions, type LabResult, runLab } from './machine/lab.ts';
import { createNetwork, type Network } from './machine/network.ts';
import type { Said } from './wifi/said.ts';

/**
 * Three kernels on one network find each other by multicast DNS without configuration. Then a machine comes that says it is a node that is there
 * already, and goes again in an orderly way; then the power of another fails.
 */

const LEFT = { name: 'left', camera: 'CAM_L', address: '10.78.0.1', board: '1'.repeat(32) } as const;
const RIGHT = { name: 'right', camera: 'CAM_R', address: '10.78.0.3', board: '3'.repeat(32) } as const;
const TWIN = { name: 'twin', camera: 'CAM_L', address: '10.78.0.9', board: '9'.repeat(32) } as const;
type Place = typeof LEFT | typeof RIGHT | typeof TWIN;
const PATIENCE_MS = 60_000;
/** From the start of the second node, which takes seconds in a guest itself. */
const FOUND_SEC_MAX = 10;

const configOf = ({ camera }: Place): object => ({
  version: 1,
  rig: 'lab',
  camera_id: camera,
  position: camera === 'CAM_L' ? 'left' : 'right',
  access: 'trusted-lan',
  camera: { source: 'test-pattern' },
  state_dir: '/mnt/state',
  runtime_dir: '/run/touchline',
  broker: { host: '0.0.0.0' },
  network: { discovery: 'mdns' },
  log_level: 'warn',
});

type NetworkSaid = NonNullable<Said['network']>;
const said = (line: string): NetworkSaid | undefined => {
  const json = /^LAB-SAY (\{.*\})$/.exec(line)?.[1];
  return json === undefined ? undefined : (JSON.parse(json) as Said).network;
};

async function bootNode(
  { machine }: LabOptions,
  network: Network,
  program: string,
  place: Place,
): Promise<Guest> {
  const share = await shareWith(join(machine.folder, `share-${place.name}`), program);
  writeFileSync(join(share, 'node.yml'), JSON.stringify(configOf(place)));
  return boot(machine, {
    name: place.name,
    job: 'discovery.sh',
    share,
    network,
    taps: [await network.tap()],
    memMib: 384,
    variables: {
      ADDRESS: place.address,
      MACHINE_ID: place.board,
      CONFIG: '/host/node.yml',
      LEAVE: place === TWIN ? '1' : '',
    },
  });
}

/** Seconds until the guest says so from now on. */
async function says(guest: Guest, what: string, condition: (state: NetworkSaid) => boolean): Promise<number> {
  const begun = performance.now();
  const from = guest.lines.length;
  const last = guest.lines
    .slice(0, from)
    .flatMap((line) => said(line) ?? [])
    .at(-1);
  if (last && condition(last)) return 0;
  let index = 0;
  await guest.until(`${guest.name}: ${what}`, PATIENCE_MS, (line) => {
    if (index++ < from) return undefined;
    const state = said(line);
    return state && condition(state) ? true : undefined;
  });
  return (performance.now() - begun) / 1000;
}

await runLab('discovery', 1, async (options): Promise<LabResult> => {
  const { machine, log } = options;
  const failures: string[] = [];
  const program = await bundle('discovery-node.ts', machine.folder);
  const network = await createNetwork();
  const guests: Guest[] = [];
  const start = async (place: Place): Promise<Guest> => {
    const guest = await bootNode(options, network, program, place);
    guests.push(guest);
    return guest;
  };
  try {
    const [left, right] = await Promise.all([start(LEFT), start(RIGHT)]);
    await Promise.all([left, right].map((guest) => says(guest, 'to speak', () => true)));
    const found = await Promise.all([
      says(left, 'the right node', ({ peers }) => peers.includes(`CAM_R ${RIGHT.address}`)),
      says(right, 'the left node', ({ peers }) => peers.includes(`CAM_L ${LEFT.address}`)),
    ]);
    const foundAfterSec = Math.max(...found);
    log(`two nodes found each other after ${foundAfterSec.toFixed(1)} s`);
    if (foundAfterSec > FOUND_SEC_MAX) failures.push(`they found each other after ${foundAfterSec} s`);

    const twin = await start(TWIN);
    const named =
      (other: Place, own: Place) =>
      ({ conflicts, warnings }: NetworkSaid) =>
        conflicts.includes(other.board) &&
        warnings.some(
          (text) =>
            text.startsWith('duplicate_node') &&
            text.includes(other.board) &&
            text.includes(own.board) &&
            text.includes(other.address),
        );
    await Promise.all([
      says(left, 'its namesake', named(TWIN, LEFT)),
      says(twin, 'its namesake', named(LEFT, TWIN)),
      says(
        right,
        'both',
        ({ warnings, peers }) =>
          warnings.some((text) => text.includes(LEFT.board) && text.includes(TWIN.board)) &&
          peers.filter((peer) => peer.startsWith('CAM_L')).length === 1,
      ),
    ]);
    log('two machines that say the same are named, on both and on the third');
    await twin.until('its leave', PATIENCE_MS, (line) => (line === 'LAB-LEAVES' ? line : undefined));
    const goodbyeSec = await says(
      left,
      'the namesake to be gone',
      ({ conflicts, warnings }) => conflicts.length === 0 && warnings.length === 0,
    );
    await twin.done(PATIENCE_MS);
    log(`it stopped, and was gone after ${goodbyeSec.toFixed(1)} s`);
    await right.cutPower();
    const vanishedSec = await says(left, 'the right node to be gone', ({ peers }) => peers.length === 0);
    log(`the power of another failed, and it was gone after ${vanishedSec.toFixed(1)} s`);
    return {
      figures: {
        found_after_sec: rounded(foundAfterSec),
        conflict_named: true,
        goodbye_sec: rounded(goodbyeSec),
        vanished_sec: rounded(vanishedSec),
      },
      failures,
    };
  } catch (error) {
    return { figures: { conflict_named: false }, failures: [...failures, (error as Error).message] };
  } finally {
    await Promise.all(guests.map((guest) => guest.cutPower()));
    await network.close();
  }
});

function rounded(sec: number): number {
  return Math.round(sec * 10) / 10;
}
