import type { HealthReading, HealthState } from '#contracts/health.ts';
import type { LightView, RigView } from '#contracts/http-node.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NetworkState } from '#contracts/network.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type { SignalsState } from '#contracts/signals.ts';
import type {
  Availability,
  HousekeeperState,
  NodeStatus,
  RecorderState,
  StatefulService,
  SyncState,
} from '#contracts/states.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import type { UpdaterState } from '#contracts/updates.ts';
import type { SeenState } from '#runtime/bus/bus.ts';
import { isWanted, type OptionalService } from '#runtime/wanted-services.ts';

/** What the services of this node last said. */
export interface Seen {
  recorder: SeenState<'recorder'> | undefined;
  'sync-agent': SeenState<'sync-agent'> | undefined;
  housekeeper: SeenState<'housekeeper'> | undefined;
  broker: SeenState<'broker'> | undefined;
  health: SeenState<'health'> | undefined;
  'network-manager': SeenState<'network-manager'> | undefined;
  signals: SeenState<'signals'> | undefined;
  updater: SeenState<'updater'> | undefined;
}

/** The services of a node that have states: it is at fault without one that is needed, and misses an optional one that has something to do. */
const NODE_SERVICES = {
  recorder: 'needed',
  'sync-agent': 'needed',
  housekeeper: 'needed',
  broker: 'needed',
  health: 'optional',
  'network-manager': 'optional',
  signals: 'optional',
  updater: 'optional',
} as const satisfies Record<StatefulService, 'needed' | 'optional'>;
export const SERVICE_NAMES = Object.keys(NODE_SERVICES) as StatefulService[];

/** The part of what the services say that a person notices at once, to be compared with what it was before. */
export function worthTelling(seen: Seen, config: NodeConfig): string {
  const recorder = stateOf<'recorder', RecorderState>(seen.recorder);
  const sync = stateOf<'sync-agent', SyncState>(seen['sync-agent']);
  const housekeeper = stateOf<'housekeeper', HousekeeperState>(seen.housekeeper);
  const health = stateOf<'health', HealthState>(seen.health);
  const updater = stateOf<'updater', UpdaterState>(seen.updater);
  const { warnings } = judge(seen, config, { recorder, sync, housekeeper, health });
  return JSON.stringify([
    SERVICE_NAMES.map((name) => seen[name]?.online),
    recorder?.state,
    recorder?.session_uid,
    recorder?.recording?.part,
    recorder?.camera.present,
    // Figures in what is said of clocks and sensors change all the time.
    warnings.map(({ service, code, message }) =>
      service === 'sync-agent' || service === 'health' ? code : message,
    ),
    housekeeper?.offload.map((item) => [item.session_uid, item.part, item.state]),
    [updater?.phase, updater?.version, updater?.reason],
  ]);
}

type Warning = NodeStatus['warnings'][number];

/** The whole status of a node, from what its services say. */
export function nodeStatus(options: {
  config: NodeConfig;
  version: string;
  bootId: string;
  nowUs: number;
  startedUs: number;
  seen: Seen;
}): NodeStatus {
  const { config, seen, nowUs } = options;
  const recorder = stateOf<'recorder', RecorderState>(seen.recorder);
  const sync = stateOf<'sync-agent', SyncState>(seen['sync-agent']);
  const housekeeper = stateOf<'housekeeper', HousekeeperState>(seen.housekeeper);
  const health = stateOf<'health', HealthState>(seen.health);
  const { warnings, fault } = judge(seen, config, { recorder, sync, housekeeper, health });
  return {
    v: 1,
    rig: config.rig,
    camera_id: config.camera_id,
    position: config.position,
    software_version: options.version,
    boot_id: options.bootId,
    at: toWireTime(nowUs),
    uptime_sec: (nowUs - options.startedUs) / 1e6,
    level: fault ? 'fault' : warnings.length > 0 ? 'warning' : 'ok',
    warnings,
    services: Object.fromEntries(
      SERVICE_NAMES.map((name) => {
        const state = seen[name];
        return [
          name,
          {
            online: state?.online ?? false,
            at: state ? (state.online ? state.state.at : state.at) : toWireTime(nowUs),
          },
        ];
      }),
    ),
    recorder,
    sync,
    health,
    network: stateOf<'network-manager', NetworkState>(seen['network-manager']),
    signals: stateOf<'signals', SignalsState>(seen.signals),
    updater: stateOf<'updater', UpdaterState>(seen.updater),
    offload: housekeeper?.offload ?? [],
  };
}

function stateOf<S extends StatefulService, T>(seen: SeenState<S> | undefined): T | null {
  return seen?.online ? (seen.state as T) : null;
}

function judge(
  seen: Seen,
  config: NodeConfig,
  said: {
    readonly recorder: RecorderState | null;
    readonly sync: SyncState | null;
    readonly housekeeper: HousekeeperState | null;
    readonly health: HealthState | null;
  },
): { warnings: Warning[]; fault: boolean } {
  const { recorder, sync, housekeeper, health } = said;
  const warnings: Warning[] = [];
  let fault = false;
  for (const service of SERVICE_NAMES) {
    if (seen[service]?.online) continue;
    const needed = NODE_SERVICES[service] === 'needed';
    if (!needed && !isWanted(service as OptionalService, config)) continue;
    const code = needed ? 'service_offline' : 'service_missed';
    warnings.push({ service, code, message: `${service} is not running` });
    fault ||= needed;
  }
  for (const gate of recorder?.gates ?? []) {
    // What the configuration says is told where a start is asked for: a warning that never ends hides those that come.
    if (gate.gate === 'battery' && gate.level === 'note' && config.sensors.battery === 'none') continue;
    warnings.push({ service: 'recorder', code: `gate_${gate.gate}`, message: gate.reason });
    fault ||= gate.level === 'hard';
  }
  for (const error of recorder?.faults ?? []) {
    warnings.push({ service: 'recorder', code: error.code, message: error.message });
    fault = true;
  }
  const interruptions = (recorder?.recording?.part ?? 1) - 1;
  if (interruptions > 0)
    warnings.push({
      service: 'recorder',
      code: 'recording_interrupted',
      message: `the recording was interrupted ${interruptions === 1 ? 'once' : `${interruptions} times`}: what happened in between is missing`,
    });
  if (recorder?.recording && recorder.recording.dropped_frames > 0)
    warnings.push({
      service: 'recorder',
      code: 'frames_dropped',
      message: `${recorder.recording.dropped_frames} frames were lost`,
    });
  for (const { code, message } of sync?.warnings ?? [])
    warnings.push({ service: 'sync-agent', code, message });
  warnings.push(...healthWarnings(health, recorder));
  const network = stateOf<'network-manager', NetworkState>(seen['network-manager']);
  for (const { code, message } of network?.warnings ?? [])
    warnings.push({ service: 'network-manager', code, message });
  for (const { code, message } of stateOf<'updater', UpdaterState>(seen.updater)?.warnings ?? [])
    warnings.push({ service: 'updater', code, message });
  for (const { session_id, part, reason } of housekeeper?.retention?.doubtful ?? [])
    warnings.push({
      service: 'housekeeper',
      code: 'recording_doubtful',
      message: `${session_id}${part > 1 ? `, part ${part}` : ''} is kept, though it is home: ${reason}`,
    });
  for (const item of housekeeper?.offload ?? [])
    if (item.state === 'failed')
      warnings.push({
        service: 'housekeeper',
        code: item.error?.code ?? 'offload_failed',
        message: `${item.session_id} could not be brought home: ${item.error?.message ?? ''}`,
      });
  return { warnings, fault };
}

/**
 * What each reading of health is called as a warning; null where the recorder is the one who says it. What a load does to a recording are lost
 * frames, and an encoder is meant to be busy.
 */
const HEALTH_WORDS: Readonly<Record<HealthReading, { name: string; bad: string; gate?: string } | null>> = {
  temperature: { name: 'temperature', bad: 'high', gate: 'temperature' },
  throttling: { name: 'power', bad: 'throttled' },
  load: null,
  memory: { name: 'memory', bad: 'low' },
  camera: null,
  'disk-space': null,
  'disk-condition': { name: 'disk', bad: 'worn' },
  'disk-write': { name: 'disk_write', bad: 'slow' },
  battery: { name: 'battery', bad: 'low', gate: 'battery' },
};

/**
 * None of them is a fault: whatever health finds, a match is recorded all the same, and what stops a recording is the recorder's to say. What one of
 * its gates says already is not said twice.
 */
function healthWarnings(health: HealthState | null, recorder: RecorderState | null): Warning[] {
  return Object.entries(health?.readings ?? {}).flatMap(([reading, { level, text }]) => {
    const words = HEALTH_WORDS[reading as HealthReading];
    if (!words || level === 'ok' || level === 'not-fitted') return [];
    if (recorder?.gates.some(({ gate }) => gate === words.gate)) return [];
    const code = `${words.name}_${level === 'unknown' ? 'unknown' : words.bad}`;
    return [{ service: 'health' as const, code, message: text }];
  });
}

/** A status is a second old at most, and takes a moment to arrive. */
const SETTLING_US = 3_000_000;

/** The rig as this node sees it, with what its nodes do not agree on. */
export function rigView(options: {
  config: NodeConfig;
  session: RigSession | undefined;
  statuses: ReadonlyMap<CameraId, NodeStatus>;
  availability: ReadonlyMap<CameraId, Availability>;
  nowUs: number;
}): RigView {
  const { config, session, statuses, availability, nowUs } = options;
  const nodes = config.cameras.map((cameraId) => {
    const status = statuses.get(cameraId) ?? null;
    return {
      camera_id: cameraId,
      position: status?.position ?? null,
      available: availability.get(cameraId)?.state === 'online',
      status,
    };
  });
  const disagreements: string[] = [];
  const present = nodes.filter((node) => node.available && node.status);
  const recording = present.filter((node) => node.status?.recorder?.recording);
  const rigRecords = session?.state === 'recording';
  const changedAt = rigRecords ? session.start_at : session?.stop_at;
  // Right after a start or stop the statuses are older than the record: that is no disagreement.
  const settled = !changedAt || nowUs - fromWireTime(changedAt) > SETTLING_US;
  for (const node of settled ? present : []) {
    const records = node.status?.recorder?.state;
    if (rigRecords && records !== 'recording' && records !== 'preparing')
      disagreements.push(
        `the rig records ${session.session_id}, but ${node.camera_id} is ${records ?? 'silent'}`,
      );
    if (!rigRecords && records === 'recording')
      disagreements.push(`${node.camera_id} records, but the rig does not`);
  }
  if (new Set(recording.map((node) => node.status?.recorder?.session_uid)).size > 1)
    disagreements.push('the cameras are in different sessions');
  const versions = new Set(present.map((node) => node.status?.software_version));
  if (versions.size > 1) disagreements.push(`the nodes run different versions: ${[...versions].join(', ')}`);
  const masters = new Set(
    present.map((node) => node.status?.sync?.master).filter((master) => master !== undefined),
  );
  if (masters.size > 1) disagreements.push(`the nodes follow different masters: ${[...masters].join(', ')}`);
  return { rig: config.rig, session: session ?? null, nodes, disagreements };
}

/** The rig in one colour, for whoever may see no more of it. */
export function trafficLight({ nodes, disagreements }: RigView): LightView {
  const recording = nodes.some((node) => node.available && node.status?.recorder?.state === 'recording');
  const present = nodes.filter((node) => node.available && node.status);
  const worst = present.some((node) => node.status?.level === 'fault')
    ? 'fault'
    : present.length < nodes.length ||
        disagreements.length > 0 ||
        present.some((node) => node.status?.level === 'warning')
      ? 'warning'
      : undefined;
  return { light: worst ?? (recording ? 'recording' : 'ok'), recording };
}
