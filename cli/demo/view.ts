import { relative } from 'node:path';
import type { z } from 'zod';
import type { CentralHealth, CentralSession } from '#contracts/http-central.ts';
import type { RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { topics } from '#contracts/topics.ts';
import { inWords, panoramaJob } from './panorama.ts';
import { DEMO_MASTER, DEMO_RIG, type DemoPlace } from './place.ts';

/** All that the live view shows, as last asked. Undefined: no answer. */
export interface Snapshot {
  readonly cameras: readonly string[];
  readonly view: RigView | undefined;
  readonly health: z.infer<typeof CentralHealth> | undefined;
  readonly sessions: readonly CentralSession[];
  /** Cameras, and `CENTRAL`, that have not answered since the start, and may still be at it. */
  readonly starting: ReadonlySet<string>;
}

export const CENTRAL = 'central';

/** Together 79 characters: a terminal of 80 shows a row on one line. Numbers stand to the right. */
const COLUMNS = [
  ['camera', 6],
  ['state', 10],
  ['time', -6],
  ['frames', -6],
  ['lost', -4],
  ['fps', -4],
  ['MB', -6],
  ['left', -6],
  ['offset ms', -10],
  ['offload', 12],
] as const;
const DISAGREEMENTS_SHOWN = 2;

/** The live view as lines of text that fit into `columns`. */
export function renderLive(snapshot: Snapshot, place: DemoPlace, columns: number): string[] {
  const row = (cells: readonly string[]): string =>
    COLUMNS.map(([, width], n) => pad(cells[n] ?? '', width)).join(' ');
  const rows = snapshot.cameras.map((camera) => row(cameraCells(camera, snapshot)));
  const disagreements = (snapshot.view?.disagreements ?? []).slice(0, DISAGREEMENTS_SHOWN);
  return [
    row(COLUMNS.map(([name]) => name)),
    ...rows,
    ...disagreements.map((text) => `! ${text}`),
    '',
    ...centralLines(snapshot, place),
  ].map((line) => fitted(line, columns));
}

/** A line that a terminal of so many columns does not wrap. */
export function fitted(line: string, columns: number): string {
  return line.length < columns ? line : `${line.slice(0, Math.max(0, columns - 2))}…`;
}

function cameraCells(camera: string, { view, starting }: Snapshot): string[] {
  const node = view?.nodes.find((each) => each.camera_id === camera);
  const status = node?.status;
  if (starting.has(camera)) return [camera, 'starting'];
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
    minutes === null ? '?' : room(minutes),
    offset(status),
    offload(status),
  ];
}

function offset({ sync }: NodeStatus): string {
  if (sync?.clock.offset_ms == null) return 'unknown';
  const { offset_ms, bound_ms } = sync.clock;
  return `${offset_ms.toFixed(2)}${bound_ms === null ? '' : `±${bound_ms.toFixed(2)}`}`;
}

/** How much longer the disk lasts. */
function room(minutes: number): string {
  return minutes < 100 ? `${Math.floor(minutes)} min` : `${Math.floor(minutes / 60)} h`;
}

function offload({ offload: items }: NodeStatus): string {
  const busy = items.find(({ state }) => state === 'uploading' || state === 'confirming');
  if (busy?.state === 'uploading')
    return `sending ${Math.floor((100 * busy.sent_bytes) / Math.max(1, busy.size_bytes))} %`;
  if (busy) return busy.state;
  const failed = items.filter(({ state }) => state === 'failed').length;
  const waiting = items.filter(({ state }) => state === 'waiting').length;
  const home = items.filter(({ state }) => state === 'offloaded').length;
  if (failed > 0) return `${failed} failed`;
  if (waiting > 0) return `${waiting} waiting`;
  return home > 0 ? `${home} home` : '';
}

function centralLines({ health, sessions, starting }: Snapshot, place: DemoPlace): string[] {
  const head =
    health === undefined
      ? `central  ${starting.has(CENTRAL) ? 'starting' : 'no answer'}`
      : `central  ${health.status}   ${health.workers} worker   ${health.storage_free_gb.toFixed(0)} GB free`;
  const last = lastSession(sessions);
  if (last === undefined) return health === undefined ? [head] : [`${head}   no session yet`];
  const lines = [head, `session  ${last.session_id}: ${last.recordings.length} recordings${jobWords(last)}`];
  // The rest of the path is told when the demo ends.
  if (last.panorama)
    lines.push(
      `panorama ${inWords(last.panorama.result)}`,
      `         ${relative(place.directory, last.panorama.result.file)}`,
    );
  return lines;
}

function jobWords(session: CentralSession): string {
  const job = panoramaJob(session);
  if (job === undefined || job.state === 'done') return '';
  const rest = job.remaining_sec === null ? '' : `, ${Math.ceil(job.remaining_sec)} s left`;
  const error = job.error === null ? '' : `: ${job.error.message}`;
  const state = job.state === 'running' ? `${Math.floor(100 * job.progress)} %${rest}` : job.state;
  return `, panorama ${state}${error}`;
}

/** Uids sort by time. */
function lastSession(sessions: Snapshot['sessions']): CentralSession | undefined {
  return [...sessions].sort((a, b) => (a.session_uid < b.session_uid ? 1 : -1))[0];
}

/** What changes rarely, by what it is about: for output that is not a terminal, one line per change. */
export function renderChanges(snapshot: Snapshot, place: DemoPlace): Map<string, string> {
  const lines = new Map<string, string>();
  for (const camera of snapshot.cameras) {
    const [, state = '', , , , , , , , offloadText = ''] = cameraCells(camera, snapshot);
    lines.set(
      camera,
      `${camera}: ${state}${offloadText === '' ? '' : `, offload: ${offloadText.replace(/ \d+ %/, '')}`}`,
    );
  }
  const central = centralLines(snapshot, place).join('; ');
  lines.set('central', central.replace(/ {3}\d+ GB free/, '').replace(/ \d+ %(, \d+ s left)?/, ' running'));
  return lines;
}

/** Where a browser finds the pages. */
export function addresses(place: DemoPlace): string[] {
  const master = place.nodes.find((node) => node.cameraId === DEMO_MASTER);
  return [`Dashboard (any node)  ${master?.apiUrl}`, `Console (central)     ${place.central.url}`];
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

/** Negative widths stand to the right. */
function pad(text: string, width: number): string {
  return width < 0 ? text.padStart(-width) : text.padEnd(width);
}
