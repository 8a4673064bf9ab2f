import type { z } from 'zod';
import type { CentralHealth, CentralSession } from '#contracts/http-central.ts';
import type { RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { topics } from '#contracts/topics.ts';
import { DEMO_MASTER, DEMO_RIG, type DemoPlace } from './place.ts';

/** All that the live view shows, as last asked. Undefined: no answer. */
export interface Snapshot {
  readonly cameras: readonly string[];
  readonly view: RigView | undefined;
  readonly health: z.infer<typeof CentralHealth> | undefined;
  readonly sessions: readonly z.infer<typeof CentralSession>[];
}

const COLUMNS = [
  ['camera', 7],
  ['state', 11],
  ['time', 7],
  ['frames', 7],
  ['dropped', 7],
  ['fps', 5],
  ['MB', 8],
  ['min left', 8],
  ['offset ms', 13],
  ['offload', 16],
] as const;

/** The live view as lines of text. */
export function renderLive(snapshot: Snapshot): string[] {
  const head = COLUMNS.map(([name, width]) => pad(name, width)).join('  ');
  const rows = snapshot.cameras.map((camera) => {
    const cells = cameraCells(camera, snapshot.view);
    return COLUMNS.map(([, width], n) => pad(cells[n] ?? '', width)).join('  ');
  });
  const disagreements = (snapshot.view?.disagreements ?? []).map((text) => `! ${text}`);
  return [head, ...rows, ...disagreements, '', centralLine(snapshot)];
}

function cameraCells(camera: string, view: RigView | undefined): string[] {
  const node = view?.nodes.find((each) => each.camera_id === camera);
  const status = node?.status;
  if (!node?.available || !status) return [camera, 'not seen'];
  const { recorder } = status;
  if (recorder === null) return [camera, 'no recorder'];
  const recording = recorder.recording;
  const minutes = recorder.disk.minutes_left;
  return [
    camera,
    recorder.state,
    recording ? duration(recording.duration_sec) : '',
    recording ? String(recording.frames) : '',
    recording ? String(recording.dropped_frames) : '',
    recording ? recording.fps.toFixed(1) : '',
    recording ? (recording.size_bytes / 1e6).toFixed(1) : '',
    minutes === null ? '?' : String(Math.floor(minutes)),
    offset(status),
    offload(status),
  ];
}

function offset({ sync }: NodeStatus): string {
  if (sync?.clock.offset_ms == null) return 'unknown';
  const { offset_ms, bound_ms } = sync.clock;
  return `${offset_ms.toFixed(3)}${bound_ms === null ? '' : ` ±${bound_ms.toFixed(2)}`}`;
}

function offload({ offload: items }: NodeStatus): string {
  const busy = items.find(({ state }) => state === 'uploading' || state === 'confirming');
  if (busy) return `${busy.state} ${Math.floor((100 * busy.sent_bytes) / Math.max(1, busy.size_bytes))} %`;
  const failed = items.filter(({ state }) => state === 'failed').length;
  const waiting = items.filter(({ state }) => state === 'waiting').length;
  const home = items.filter(({ state }) => state === 'offloaded').length;
  if (failed > 0) return `${failed} failed`;
  if (waiting > 0) return `${waiting} waiting`;
  return home > 0 ? `${home} home` : '';
}

function centralLine({ health, sessions }: Snapshot): string {
  if (health === undefined) return 'central  no answer';
  const last = lastSession(sessions);
  const job = last?.jobs.find(({ kind }) => kind === 'panorama');
  const panorama = job === undefined ? '' : `, panorama ${job.state} ${Math.floor(100 * job.progress)} %`;
  return [
    `central  ${health.status}`,
    `${health.workers} worker`,
    `${health.storage_free_gb.toFixed(0)} GB free`,
    last === undefined ? 'no session yet' : `${last.session_id}: ${last.recordings.length} files${panorama}`,
  ].join('   ');
}

/** Uids sort by time. */
function lastSession(sessions: Snapshot['sessions']): Snapshot['sessions'][number] | undefined {
  return [...sessions].sort((a, b) => (a.session_uid < b.session_uid ? 1 : -1))[0];
}

/** What changes rarely, by what it is about: for output that is not a terminal, one line per change. */
export function renderChanges(snapshot: Snapshot): Map<string, string> {
  const lines = new Map<string, string>();
  for (const camera of snapshot.cameras) {
    const [, state = '', , , , , , , , offloadText = ''] = cameraCells(camera, snapshot.view);
    lines.set(
      camera,
      `${camera}: ${state}${offloadText === '' ? '' : `, offload: ${offloadText.replace(/ \d+ %/, '')}`}`,
    );
  }
  lines.set(
    'central',
    centralLine(snapshot)
      .replace(/ {3}\d+ GB free/, '')
      .replace(/ \d+ %/, ''),
  );
  return lines;
}

/** How to drive the rig from another terminal: REST and MQTT. */
export function nextSteps(place: DemoPlace): string[] {
  const master = place.nodes.find((node) => node.cameraId === DEMO_MASTER);
  const url = master?.apiUrl ?? '';
  const post = (route: string) => `curl -X POST ${url}${route} -H 'content-type: application/json' -d '{}'`;
  const publish = (command: 'rigStart' | 'rigStop') =>
    `mosquitto_pub -p ${master?.brokerPort} -t ${topics.command(DEMO_RIG, DEMO_MASTER, command)} -m '{"id":"'$(date +%s)'"}'`;
  return [
    'From another terminal, by REST:',
    `  ${post(nodeRoutes.rigStart)}`,
    `  ${post(nodeRoutes.rigStop)}`,
    'or by MQTT:',
    `  ${publish('rigStart')}`,
    `  ${publish('rigStop')}`,
    `Watch everything: mosquitto_sub -p ${master?.brokerPort} -v -t '${topics.node(DEMO_RIG, '#')}'`,
    `Files and logs: ${place.directory}`,
  ];
}

function duration(seconds: number): string {
  const whole = Math.floor(seconds);
  return `${String(Math.floor(whole / 60)).padStart(2, '0')}:${String(whole % 60).padStart(2, '0')}`;
}

function pad(text: string, width: number): string {
  return text.padEnd(width);
}
