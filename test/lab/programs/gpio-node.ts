import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { RecorderState, ServiceStateOf, StatefulService } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { topics } from '#contracts/topics.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { addChip, type Chip, removeChip } from '../gpio/chips.ts';
import { kernelConformance } from '../gpio/conformance.ts';
import { killableServices, otherServices, signalsService } from '../gpio/node-parts.ts';
import { buttonDown, buttonUp, PANEL_CHIP, pressFor, type Seen, watchPanel } from '../gpio/panel.ts';

/**
 * Somebody at the mast of a node in a guest: presses its button, looks at its LED and hears its beeper, while its services are killed.
 * What was found is told in one line `LAB-SAY {json}`.
 */

const CONFIG = '/host/node.yml';
/** Lines of overlays/pins.yml: name and number. */
const PINS = JSON.parse(readFileSync('/host/pins.json', 'utf8')) as { line: string; gpio: number }[];
/** As on a Raspberry Pi 5 with its overlay, and another chip with as many lines that must not be taken for it. */
const HEADER: Chip = {
  name: 'header',
  label: PANEL_CHIP,
  lines: 28,
  named: Object.fromEntries(PINS.map(({ line, gpio }) => [gpio, line])),
};
const DECOY: Chip = { name: 'decoy', label: 'decoy-lab', lines: 28, named: {} };
/** Only what has a limit of its own is timed: a guest on a busy host is slow. */
const PATIENCE_MS = 90_000;
const POLL_MS = 20;
const TAP_MS = 150;
/** A tap of nothing else happens for so long after it. */
const QUIET_MS = 1200;
/** A restarted broker must not show in the meantime. */
const CALM_MS = 4000;
const FAULT_WITHIN_SEC = 5;

const config = NodeConfig.parse(JSON.parse(readFileSync(CONFIG, 'utf8')));
const own = config.camera_id;
const clock = systemClock();
const log = createLogger({ name: 'hand', level: 'silent' });
const forever = new AbortController().signal;
const failures: string[] = [];
const seenStates = new Set<Seen>();
const faultAfterSec: number[] = [];
let presses = 0;
let starts = 0;
let stops = 0;
let moments = 0;

const decoyFirst = process.env.DECOY_FIRST === 'yes';
const claims = await kernelConformance(clock);
for (const chip of decoyFirst ? [DECOY, HEADER] : [HEADER, DECOY]) addChip(chip);
const parts = {
  config,
  clock,
  log: createLogger({ name: 'node', level: 'info', file: '/host/log-node.jsonl' }),
};
const node = killableServices(CONFIG);
const others = otherServices(parts);
let signals = signalsService(parts);
const panel = watchPanel();
const bus = createBus({
  rig: config.rig,
  node: own,
  service: 'api',
  broker: mqttBroker(config.broker),
  clock,
  log,
});
const raw = mqttBroker(config.broker).connect({ clientId: 'hand' });
const sessions: RigSession[] = [];
const ended = new Map<string, number>();
let recorder: RecorderState | undefined;
bus.watchSession((session) => {
  sessions.push(session);
  if (session.state === 'stopped' && !ended.has(session.session_uid))
    ended.set(session.session_uid, performance.now());
});
let signalsState: ServiceStateOf<'signals'> | undefined;
bus.watchState('signals', (from, seen) => {
  if (from === own) signalsState = seen.online ? seen.state : undefined;
});
bus.watchState('recorder', (from, seen) => {
  if (from === own) recorder = seen.online ? seen.state : undefined;
});

async function until(what: string, condition: () => boolean): Promise<number> {
  const began = performance.now();
  while (!condition()) {
    if (performance.now() > began + PATIENCE_MS)
      throw new Error(
        `waited ${PATIENCE_MS / 1000} s for ${what}; the LED is ${panel.seen()} (${signalsState?.because}), recorder ${recorder?.state}`,
      );
    await sleep(POLL_MS);
  }
  return (performance.now() - began) / 1000;
}
async function sees(wanted: Seen, when: string): Promise<number> {
  const took = await until(`${wanted} (${when})`, () => panel.seen() === wanted);
  seenStates.add(wanted);
  return took;
}
const claim = (holds: boolean, message: string): void => {
  if (!holds) failures.push(message);
};
const uids = (): Set<string> => new Set(sessions.map(({ session_uid }) => session_uid));
const marks = (): number =>
  globSync(`${config.storage.path}/manifests/*/*/marks.jsonl`)
    .map((path) => readFileSync(path, 'utf8').trim().split('\n').length)
    .reduce((sum, count) => sum + count, 0);
const manifests = (): string[] => globSync(`${config.storage.path}/manifests/*/*/*.json`);

async function publishState<S extends StatefulService>(
  service: S,
  body: Omit<ServiceStateOf<S>, 'v' | 'online' | 'run_id' | 'at'>,
): Promise<void> {
  const state = { v: 1, online: true, run_id: 'hand', at: toWireTime(Math.round(clock.wallUs())), ...body };
  await raw.publish(topics.state(config.rig, own, service), JSON.stringify(state), { retain: true });
}
/** What the kernel's stand-in for a battery has left, which health reads like any other: a warning, or none. */
const healthWith = (level: 'ok' | 'warn'): void =>
  writeFileSync('/sys/module/test_power/parameters/battery_capacity', level === 'warn' ? '14' : '80');
const networkAs = (mode: 'access-point' | 'unmanaged'): Promise<void> =>
  publishState('network-manager', {
    ...{ mode, since: toWireTime(Math.round(clock.wallUs())), reason: 'as the lab wants it' },
    ...{
      ssid: null,
      addresses: [],
      signal_percent: null,
      stations: null,
      home_in_sight: null,
      peers: [],
      conflicts: [],
      warnings: [],
    },
  });

/** Pressed since before anything ran: it does nothing. */
async function booting(): Promise<void> {
  buttonDown();
  // One after the other: each takes a guest seconds, and the panel counts from when it is there itself.
  await others.start(forever);
  node.run('broker');
  await until('a broker', () => bus.connected);
  await until('a camera', () => recorder?.camera.present === true);
  await signals.start(forever);
  await sees('green blinking', 'while it starts');
  node.run('sync-agent');
  await until('the services', () => recorder?.state === 'idle');
  await sees('green', 'ready');
  buttonUp();
  await sleep(QUIET_MS);
  claim(uids().size === 0, 'a button that was down since the start started something');
}

async function recording(): Promise<void> {
  panel.forget();
  presses++;
  await pressFor(TAP_MS);
  await until('a recording', () => (recorder?.recording?.frames ?? 0) > 0);
  await sees('red', 'recording');
  starts = uids().size;
  claim(starts === 1, `one press made ${starts} sessions`);
  const before = marks();
  presses++;
  await pressFor(TAP_MS);
  await until('a mark', () => marks() > before);
  await sleep(QUIET_MS);
  moments = marks();
  claim(moments === 1, `one press made ${moments} marks`);
}

async function warning(): Promise<void> {
  const beeps = panel.beeps.length;
  healthWith('warn');
  await sees('red and amber', 'a warning while it records');
  await until('the warning tone', () => panel.beeps.length > beeps);
  healthWith('ok');
  await sees('red', 'recording without the warning');
}

/** Leaning on it ends the match, and not unheard. */
async function leaning(): Promise<void> {
  const beeps = panel.beeps.length;
  const [uid] = [...uids()];
  const markedBefore = marks();
  presses++;
  buttonDown();
  const downMs = performance.now();
  await until('the end of the session', () => ended.has(uid ?? ''));
  const endMs = ended.get(uid ?? '') ?? 0;
  const tone = panel.beeps.slice(beeps);
  const [first, second] = tone;
  claim(first !== undefined && first.fromMs - downMs >= 1900, 'the stop tone came before 2 s');
  claim(second !== undefined && second.fromMs < endMs, 'the rig ended before its stop tone was over');
  await until('the finished files', () => recorder?.state === 'idle');
  await sees('green', 'ready after the stop, the button still down');
  buttonUp();
  await sleep(QUIET_MS);
  stops = ended.size;
  claim(uids().size === 1 && marks() === markedBefore, 'letting go after a stop did something');
}

async function looks(): Promise<void> {
  healthWith('warn');
  await sees('amber blinking', 'a warning');
  healthWith('ok');
  await networkAs('access-point');
  await sees('blue', 'access point');
  await networkAs('unmanaged');
  await sees('green', 'ready again');
  presses++;
  await pressFor(3600);
  await until('Lock View', () => recorder?.lock_view != null);
  claim(uids().size === 1, 'Lock View started a recording too');
}

async function killed(service: 'broker' | 'sync-agent'): Promise<void> {
  await sees('green', `before ${service} is killed`);
  await node.kill(service);
  faultAfterSec.push(await sees('red blinking fast', `${service} is dead`));
}

async function restartedBroker(): Promise<void> {
  await sees('green', 'before the broker is restarted');
  panel.forget();
  await node.kill('broker');
  node.run('broker');
  await sleep(CALM_MS);
  claim(
    [...panel.colours].join() === 'green',
    `a broker that was restarted showed: ${[...panel.colours].join(', ')}`,
  );
}

/** The chips go and come back with other numbers; then the lines are called by number. */
async function shuffled(): Promise<void> {
  removeChip(HEADER);
  removeChip(DECOY);
  await until('a panel that is missed', () => signalsState?.panel.state === 'failed');
  for (const chip of decoyFirst ? [HEADER, DECOY] : [DECOY, HEADER]) addChip(chip);
  buttonUp();
  await until('a panel that is found again', () => signalsState?.panel.state === 'working');
  await sees('green', 'ready, the chips with other numbers');
  await signals.stop();
  const lines = Object.fromEntries(
    PINS.map(({ line, gpio }) => [line.replace(/^touchline-(led-)?/, ''), `${PANEL_CHIP}:${gpio}`]),
  );
  signals = signalsService({
    ...parts,
    config: NodeConfig.parse({ ...config, signals: { ...config.signals, lines } }),
  });
  await signals.start(forever);
  await sees('green', 'ready, the lines called by number');
}

/** Nothing but the button and the services' own sockets. */
async function withoutBroker(): Promise<void> {
  const before = manifests().length;
  presses++;
  await pressFor(TAP_MS);
  await until(
    'a recording without a broker',
    () => globSync(`${config.storage.path}/recordings/*/*/*.journal.json`).length > 0,
  );
  starts++;
  await sleep(QUIET_MS);
  presses++;
  await pressFor(2300);
  await until('a manifest without a broker', () => manifests().length > before);
  stops++;
}

try {
  await bus.start(forever);
  await booting();
  await recording();
  await warning();
  await leaning();
  await looks();
  await shuffled();
  await killed('sync-agent');
  node.run('sync-agent');
  await restartedBroker();
  await killed('broker');
  await withoutBroker();
} catch (error) {
  failures.push(error instanceof Error ? error.message : String(error));
}
claim(
  faultAfterSec.every((sec) => sec <= FAULT_WITHIN_SEC),
  `a fault was shown after ${faultAfterSec.map((sec) => sec.toFixed(1)).join(', ')} s`,
);
process.stdout.write(
  `LAB-SAY ${JSON.stringify({ claims, presses, starts, stops, moments, states_seen: [...seenStates], fault_shown_sec: faultAfterSec, failures })}\n`,
);
panel.stop();
await signals.stop();
await others.stop();
await node.stop();
await raw.close();
await bus.stop();
