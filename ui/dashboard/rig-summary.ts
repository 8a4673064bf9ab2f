import type { RigView } from '#contracts/http-node.ts';
import type { NodeStatus } from '#contracts/states.ts';
import type { Tone } from '../components/tone.ts';
import { unsetClock } from './clock-words.ts';
import { meaningOf } from './trouble-words.ts';

/** What the first screen says, decided from what the rig told. Pure: the page only draws it. */

export interface RigProblem {
  readonly tone: 'warning' | 'fault';
  /** Camera it is about; null for the whole rig. */
  readonly camera: string | null;
  readonly text: string;
  readonly remedy?: string;
}

export interface RigSummary {
  readonly phase: 'starting' | 'empty' | 'ready' | 'not-ready' | 'preparing' | 'recording' | 'finalizing';
  readonly tone: Tone;
  readonly headline: string;
  readonly detail: string;
  /** Name of the session that runs. */
  readonly session: string | null;
  /** Seconds recorded as of `view`; null while nothing is recorded. */
  readonly recordedSec: number | null;
  /** What ends a recording first: the disk that is full, or the battery that is empty. */
  readonly lasts: {
    readonly minutes: number;
    readonly camera: string;
    readonly ends: 'disk' | 'battery';
  } | null;
  readonly problems: readonly RigProblem[];
  readonly action: 'start' | 'stop' | null;
}

type RigNode = RigView['nodes'][number];

/** Clocks that may be wrong by more than this make three views of one moment three moments. */
const OFFSET_WARN_MS = 5;
/** So soon after the first frame a camera that prepares has not failed: its first word is on its way. */
const FRESH_SEC = 2;

export function summarize(view: RigView | undefined): RigSummary {
  if (!view)
    return {
      ...NOTHING,
      phase: 'starting',
      tone: 'unknown',
      headline: 'Starting',
      detail: 'Waiting for the first word from the rig',
    };
  const present = view.nodes.filter((node) => node.available && node.status);
  const problems = problemsOf(view, absentees(view));
  const worst: Tone = problems.some(({ tone }) => tone === 'fault')
    ? 'fault'
    : problems.length > 0
      ? 'warning'
      : 'calm';
  const lasts = firstEnd(present);
  const total = view.nodes.length;
  if (present.length === 0)
    return {
      ...NOTHING,
      problems,
      phase: 'empty',
      tone: 'fault',
      headline: 'No camera',
      detail: total === 1 ? 'The camera does not answer' : `None of the ${total} cameras answers`,
    };

  const recording = view.nodes.filter((node) => node.available && node.status?.recorder?.recording);
  const states = new Set(present.map((node) => node.status?.recorder?.state));
  const base = { lasts, problems, session: view.session?.session_id ?? null };
  if (
    recording.length > 0 &&
    !(view.session?.state === 'stopped' && states.has('finalizing') && !states.has('recording'))
  ) {
    const recordedSec = Math.max(
      ...recording.map((node) => node.status?.recorder?.recording?.duration_sec ?? 0),
    );
    return {
      ...base,
      phase: 'recording',
      tone: recording.length < total || worst === 'fault' ? 'fault' : 'recording',
      headline: 'Recording',
      detail:
        recording.length === total
          ? allOf(total)
          : `${recording.length} of ${total} cameras: ${names(view.nodes.filter((node) => !recording.includes(node)))} missing`,
      recordedSec,
      action: 'stop',
    };
  }
  if (states.has('finalizing'))
    return {
      ...base,
      phase: 'finalizing',
      tone: 'calm',
      headline: 'Finishing',
      detail: 'The files are being closed',
      recordedSec: null,
      action: null,
    };
  if (states.has('preparing') || view.session?.state === 'preparing' || view.session?.state === 'recording')
    return {
      ...base,
      phase: 'preparing',
      tone: 'recording',
      headline: 'Starting',
      detail: 'The cameras agree on the first frame',
      recordedSec: null,
      action: view.session?.state === 'recording' ? 'stop' : null,
    };

  const able = present.filter((node) => canRecord(node.status));
  const ready = { ...base, session: null, recordedSec: null };
  if (able.length === 0)
    return {
      ...ready,
      phase: 'not-ready',
      tone: 'fault',
      headline: 'Not ready',
      detail: 'No camera can record',
      action: 'start',
    };
  return {
    ...ready,
    phase: 'ready',
    tone: able.length < total ? 'warning' : worst === 'fault' ? 'warning' : worst,
    headline: 'Ready',
    detail: `${able.length === total ? allOf(total) : `${able.length} of ${total} cameras can record`}${armedText(present)}`,
    action: 'start',
  };
}

const NOTHING = {
  session: null,
  recordedSec: null,
  lasts: null,
  problems: [] as RigProblem[],
  action: null,
} as const;

function canRecord(status: NodeStatus | null): boolean {
  const recorder = status?.recorder;
  return recorder?.camera.present === true && !recorder.gates.some(({ level }) => level === 'hard');
}

function firstEnd(nodes: readonly RigNode[]): RigSummary['lasts'] {
  const known = nodes.flatMap(({ camera_id: camera, status }) => {
    const battery = status?.health?.battery;
    const ends = [
      { ends: 'disk', minutes: status?.recorder?.disk.minutes_left },
      { ends: 'battery', minutes: battery?.charging ? null : battery?.minutes_left },
    ] as const;
    return ends.flatMap(({ ends: end, minutes }) =>
      minutes === null || minutes === undefined ? [] : [{ camera: camera as string, minutes, ends: end }],
    );
  });
  return known.sort((a, b) => a.minutes - b.minutes)[0] ?? null;
}

/** Cameras that are there and record nothing while others do; while the rig stops, some end before the others. */
function absentees({ nodes, session }: RigView): ReadonlyMap<RigNode, RigProblem> {
  const ages = nodes.flatMap(({ available, status }) =>
    available && status?.recorder?.recording ? [sinceStartSec(status.at, status.recorder.recording)] : [],
  );
  if (ages.length === 0 || session?.state === 'stopped') return new Map();
  const fresh = Math.max(...ages) < FRESH_SEC;
  return new Map(
    nodes
      .filter(({ available, status }) => available && status && !status.recorder?.recording)
      .map((node) => [node, absence(node, fresh)]),
  );
}

/** A film may have begun before the start, and a clock may be anywhere: the shorter of both. */
function sinceStartSec(
  at: string,
  { start_at, duration_sec }: NonNullable<NonNullable<NodeStatus['recorder']>['recording']>,
): number {
  return Math.min(duration_sec, (Date.parse(at) - Date.parse(start_at)) / 1000);
}

function absence({ camera_id, status }: RigNode, fresh: boolean): RigProblem {
  const about = { tone: 'fault', camera: camera_id } as const;
  if (status?.recorder?.state !== 'preparing')
    return {
      ...about,
      text: 'is not recording',
      remedy: 'The others go on. When it does not join them, restart this camera.',
    };
  return { ...about, text: fresh ? 'is not recording yet: starting' : 'is not recording: starting again' };
}

/** All that is wrong, the worst first. */
function problemsOf(
  { nodes, disagreements }: RigView,
  absent: ReadonlyMap<RigNode, RigProblem>,
): RigProblem[] {
  const found: RigProblem[] = disagreements.map((text) => ({
    tone: 'fault',
    camera: null,
    text: `The cameras disagree: ${text}`,
    remedy: 'Stop and start again; when it stays, restart the camera that differs.',
  }));
  for (const node of nodes) {
    const { camera_id, available, status } = node;
    if (!available || !status) {
      found.push({
        tone: 'fault',
        camera: camera_id,
        text: status ? 'is not reachable any more' : 'has not been seen',
        remedy: 'Check its power and its network. What it recorded is on its own disk.',
      });
      continue;
    }
    const absence = absent.get(node);
    if (absence) found.push(absence);
    for (const { code, message } of status.warnings) {
      const remedy = meaningOf(code);
      found.push({
        tone: isFault(status, code) ? 'fault' : 'warning',
        camera: camera_id,
        text: message,
        ...(remedy === undefined ? {} : { remedy }),
      });
    }
    const offset = status.sync?.clock.offset_ms;
    if (typeof offset === 'number' && Math.abs(offset) > OFFSET_WARN_MS)
      found.push({ tone: 'warning', camera: camera_id, text: `its clock is off by ${offset.toFixed(1)} ms` });
  }
  const unset = unsetClock(nodes);
  if (unset)
    found.push({
      tone: 'warning',
      camera: unset.camera,
      text: 'does not know what time it is',
      remedy: 'Before the match, its clock can be set from a phone.',
    });
  return found.sort((a, b) => Number(b.tone === 'fault') - Number(a.tone === 'fault'));
}

/** What stops a recording or may have cost frames; the rest is a warning. */
function isFault(status: NodeStatus, code: string): boolean {
  if (code === 'service_offline') return true;
  const gates = status.recorder?.gates ?? [];
  if (gates.some((gate) => `gate_${gate.gate}` === code && gate.level === 'hard')) return true;
  return (status.recorder?.faults ?? []).some((fault) => fault.code === code);
}

function allOf(total: number): string {
  return total === 1 ? 'The one camera' : `All ${total} cameras`;
}

function armedText(nodes: readonly RigNode[]): string {
  const armed = nodes.filter(({ status }) => status?.recorder?.state === 'armed').length;
  if (armed === 0) return '';
  return armed === nodes.length ? ', armed' : `, ${armed} armed`;
}

function names(nodes: readonly RigNode[]): string {
  return nodes.map((node) => node.camera_id).join(', ');
}
