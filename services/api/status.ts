import type { LightView, RigView } from '#contracts/http-node.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RigSession } from '#contracts/session.ts';
import type {
  Availability,
  HousekeeperState,
  NodeStatus,
  RecorderState,
  StatefulService,
  SyncState,
} from '#contracts/states.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import type { SeenState } from '#runtime/bus/bus.ts';

/** What the services of this node last said. */
export interface Seen {
  recorder: SeenState<'recorder'> | undefined;
  'sync-agent': SeenState<'sync-agent'> | undefined;
  housekeeper: SeenState<'housekeeper'> | undefined;
  broker: SeenState<'broker'> | undefined;
}

/** Services a node cannot do without. */
export const NODE_SERVICES = [
  'recorder',
  'sync-agent',
  'housekeeper',
  'broker',
] as const satisfies StatefulService[];

/** The part of what the services say that a person notices at once, to be compared with what it was before. */
export function worthTelling(seen: Seen): string {
  const recorder = stateOf<'recorder', RecorderState>(seen.recorder);
  const housekeeper = stateOf<'housekeeper', HousekeeperState>(seen.housekeeper);
  return JSON.stringify([
    NODE_SERVICES.map((name) => seen[name]?.online),
    recorder?.state,
    recorder?.session_uid,
    recorder?.recording?.part,
    recorder?.camera.present,
    judge(seen, recorder, housekeeper),
    housekeeper?.offload.map((item) => [item.session_uid, item.part, item.state]),
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
  const { warnings, fault } = judge(seen, recorder, housekeeper);
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
      NODE_SERVICES.map((name) => {
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
    offload: housekeeper?.offload ?? [],
  };
}

function stateOf<S extends StatefulService, T>(seen: SeenState<S> | undefined): T | null {
  return seen?.online ? (seen.state as T) : null;
}

function judge(
  seen: Seen,
  recorder: RecorderState | null,
  housekeeper: HousekeeperState | null,
): { warnings: Warning[]; fault: boolean } {
  const warnings: Warning[] = [];
  let fault = false;
  for (const service of NODE_SERVICES) {
    if (seen[service]?.online) continue;
    warnings.push({ service, code: 'service_offline', message: `${service} is not running` });
    fault = true;
  }
  for (const gate of recorder?.gates ?? []) {
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
  for (const item of housekeeper?.offload ?? [])
    if (item.state === 'failed')
      warnings.push({
        service: 'housekeeper',
        code: item.error?.code ?? 'offload_failed',
        message: `${item.session_id} could not be brought home: ${item.error?.message ?? ''}`,
      });
  return { warnings, fault };
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
