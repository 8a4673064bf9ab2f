import type { HealthState } from '#contracts/health.ts';
import type { NetworkState } from '#contracts/network.ts';
import type { BrokerState, HousekeeperState, RecorderState, SyncState } from '#contracts/states.ts';

/** What a node's services say, as signals heard it, and what of it is not as it should be. */

/** What was last heard of one service. */
export interface Word<S> {
  /** Undefined: never. It stays when the service is lost. */
  readonly state: S | undefined;
  /** When it last said anything, monotonic. */
  readonly heardUs: number;
  /** Since when it is known to be gone. */
  readonly lostUs: number | undefined;
}

export interface Known {
  /** Since when this service listens. */
  readonly sinceUs: number;
  readonly broker: { readonly connected: boolean; readonly sinceUs: number };
  /** Since when the rig records by its record, and this node's recorder, which is there, does not. */
  readonly leftOutUs: number | undefined;
  readonly words: {
    readonly recorder: Word<RecorderState>;
    readonly 'sync-agent': Word<SyncState>;
    readonly broker: Word<BrokerState>;
    readonly housekeeper: Word<HousekeeperState>;
    readonly health: Word<HealthState>;
    readonly 'network-manager': Word<NetworkState>;
  };
}
export type Watched = keyof Known['words'];

export interface Trouble {
  /** The same trouble has the same key. */
  readonly key: string;
  readonly level: 'warning' | 'fault';
  readonly because: string;
}

/**
 * What is lost keeps its last picture so long: a service or broker that is restarted must not flicker. With what it takes to
 * notice, a loss shows within 5 s.
 */
export const LOSS_GRACE_US = 2_500_000;
/** What speaks every second or more often and is silent for this hangs. */
export const SILENCE_US = 4_000_000;
/** A node that boots has all its services by then. */
export const BOOT_US = 20_000_000;

/** Without these nothing can be recorded as it should; the others are missed. */
export const NEEDED: readonly Watched[] = ['recorder', 'sync-agent'];
const MISSED: readonly Watched[] = ['housekeeper', 'health', 'network-manager'];

const fault = (key: string, because: string): Trouble => ({ key, level: 'fault', because });
const warning = (key: string, because: string): Trouble => ({ key, level: 'warning', because });

/** Everything that is not as it should be, faults first. */
export function troubles(known: Known, nowUs: number): Trouble[] {
  const found = [
    ...lostServices(known, nowUs),
    ...leftOut(known, nowUs),
    ...ofRecorder(known.words.recorder.state),
    ...ofHealth(known.words.health.state),
    ...ofNetwork(known.words['network-manager'].state),
    ...ofSync(known.words['sync-agent'].state),
    ...ofLinks(known.words.broker.state),
  ];
  return [
    ...found.filter(({ level }) => level === 'fault'),
    ...found.filter(({ level }) => level !== 'fault'),
  ];
}

/** Whether the node is still starting: a needed service has not spoken yet and still may. */
export function isBooting(known: Known, nowUs: number): boolean {
  return (
    nowUs - known.sinceUs < BOOT_US && NEEDED.some((service) => known.words[service].state === undefined)
  );
}

/** A green light on a camera that misses the match would be believed. A start and a stop reach it a moment later than the record. */
function leftOut({ leftOutUs }: Known, nowUs: number): Trouble[] {
  if (leftOutUs === undefined || nowUs - leftOutUs < LOSS_GRACE_US) return [];
  return [fault('recorder:left-out', 'the rig records and this camera does not')];
}

function lostServices(known: Known, nowUs: number): Trouble[] {
  const { broker, words } = known;
  if (!broker.connected) {
    // What the services say cannot be heard: that they are lost is not known.
    const booting = isBooting(known, nowUs);
    const heardUs = Math.max(...Object.values(words).map((word) => word.heardUs));
    // One that froze is closed long after it fell silent: that begins no new grace.
    const silent = !booting && nowUs - heardUs >= SILENCE_US;
    const graceUs = booting ? BOOT_US : LOSS_GRACE_US;
    return nowUs - broker.sinceUs < graceUs && !silent
      ? []
      : [fault('service:broker', 'the broker is not there')];
  }
  return [...NEEDED, ...MISSED].flatMap((service) => {
    const because = lossOf(service, known, nowUs);
    if (because === undefined) return [];
    return [(NEEDED.includes(service) ? fault : warning)(`service:${service}`, because)];
  });
}

function lossOf(service: Watched, { sinceUs, broker, words }: Known, nowUs: number): string | undefined {
  const { state, heardUs, lostUs } = words[service];
  if (state === undefined) return nowUs - sinceUs < BOOT_US ? undefined : `${service} has not been heard of`;
  if (lostUs !== undefined)
    // What was lost while the broker was away gets its time once the broker is back, and that once.
    return nowUs - Math.max(lostUs, Math.min(broker.sinceUs, lostUs + LOSS_GRACE_US)) < LOSS_GRACE_US
      ? undefined
      : `${service} is not there`;
  if (!speaksAlways(service, words)) return undefined;
  const silentUs = nowUs - heardUs;
  const countedUs = nowUs - Math.max(heardUs, Math.min(broker.sinceUs, heardUs + SILENCE_US));
  return countedUs < SILENCE_US
    ? undefined
    : `${service} has said nothing for ${Math.floor(silentUs / 1e6)} s`;
}

/** The others speak when something changes. */
function speaksAlways(service: Watched, words: Known['words']): boolean {
  if (service === 'sync-agent') return true;
  return (
    service === 'recorder' &&
    words.recorder.state?.state === 'recording' &&
    words.recorder.state.recording !== null
  );
}

function ofRecorder(recorder: RecorderState | undefined): Trouble[] {
  if (!recorder) return [];
  const { state, gates, faults, recording } = recorder;
  const found: Trouble[] = [];
  if (state === 'error') found.push(fault('recorder:error', 'the recorder has failed'));
  // A session without a file: the camera or the disk is gone, and is tried again.
  const nothingWritten = state === 'recording' && recording === null;
  for (const { code, message } of faults)
    found.push((nothingWritten ? fault : warning)(`recorder:${code}`, message));
  if (state === 'idle' || state === 'armed')
    for (const { gate, level, reason } of gates) {
      if (gate === UPDATE_GATE || level === 'note') continue;
      found.push((level === 'hard' ? fault : warning)(`gate:${gate}`, reason));
    }
  return found;
}

/** The gate that is closed while an update is applied: no trouble, it has a look of its own. */
export const UPDATE_GATE = 'update';

function ofHealth(health: HealthState | undefined): Trouble[] {
  if (!health) return [];
  return [
    ...Object.entries(health.readings).flatMap(([name, { level, text }]) =>
      level === 'warn' || level === 'critical'
        ? // Getting worse is news.
          [warning(`health:${name}:${level}`, text)]
        : level === 'unknown'
          ? [warning(`health:${name}:unknown`, text)]
          : [],
    ),
    ...health.faults.map(({ code, message }) => warning(`health:${code}`, message)),
  ];
}

function ofNetwork(network: NetworkState | undefined): Trouble[] {
  if (!network) return [];
  return [
    ...(network.mode === 'offline' ? [warning('network:offline', network.reason)] : []),
    ...network.conflicts.map(({ host }) =>
      warning('network:conflict', `another machine (${host}) says that it is this camera`),
    ),
    ...network.warnings.map(({ code, message }) => warning(`network:${code}`, message)),
  ];
}

function ofSync(sync: SyncState | undefined): Trouble[] {
  return (sync?.warnings ?? []).map(({ code, message }) => warning(`sync:${code}`, message));
}

/** Central is at home: without it a match is recorded all the same. */
function ofLinks(broker: BrokerState | undefined): Trouble[] {
  return (broker?.links ?? [])
    .filter(({ name, connected }) => !connected && name !== 'central')
    .map(({ name }) => warning(`link:${name}`, `${name} is not reached`));
}
