import type { RigView } from '#contracts/http-node.ts';
import type { RecorderState } from '#contracts/states.ts';
import { clockTime, count } from '../live/format.ts';

/** What the cameras are prepared for, put together for the whole rig. Pure: the page only draws it. */

type RigNode = RigView['nodes'][number];

/** Of one camera, where cameras differ. */
export interface CameraWords {
  readonly camera: string;
  readonly text: string;
}

/** Something that is on or off, for all cameras that answer. */
export interface Switched {
  /** Whether any of them has it on. */
  readonly on: boolean;
  readonly text: string;
}

export interface Arming extends Switched {
  /** Seconds until the first of them gives it up, as of the view; null when none is armed. */
  readonly leftSec: number | null;
}

export interface SelfTests {
  readonly text: string;
  readonly passed: boolean;
  /** What is not as it should be, in the words of the recorder. */
  readonly failed: readonly CameraWords[];
}

/** A session is open on a camera: then much of the preparation is over. */
export type Occupied = 'recording' | 'starting' | 'finishing';

type Prepared = { readonly camera: string; readonly nowMs: number; readonly recorder: RecorderState };

/** Cameras that answer, with what their recorders say. */
function preparedOf(nodes: readonly RigNode[]): Prepared[] {
  return nodes.flatMap(({ camera_id, available, status }) =>
    available && status?.recorder
      ? [{ camera: camera_id, nowMs: Date.parse(status.at), recorder: status.recorder }]
      : [],
  );
}

/** Who may be asked for something now. */
export function askable(nodes: readonly RigNode[]): string[] {
  return preparedOf(nodes).map(({ camera }) => camera);
}

export function occupied(nodes: readonly RigNode[]): Occupied | null {
  const states = new Set(preparedOf(nodes).map(({ recorder }) => recorder.state));
  if (states.has('recording')) return 'recording';
  if (states.has('preparing')) return 'starting';
  return states.has('finalizing') ? 'finishing' : null;
}

export function arming(nodes: readonly RigNode[]): Arming {
  const all = preparedOf(nodes);
  const armed = all.filter(({ recorder }) => recorder.state === 'armed');
  const ends = armed.flatMap(({ nowMs, recorder }) =>
    recorder.armed_until === null ? [] : [{ at: recorder.armed_until, nowMs }],
  );
  const [first] = ends.sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
  if (armed.length === 0)
    return { on: false, text: 'Keeps the last 15 s, so that a late start still has them', leftSec: null };
  const until = first ? ` until ${timeText(first.at)}` : '';
  return {
    on: true,
    text:
      armed.length === all.length
        ? `Armed${until}: the last 15 s are kept`
        : `${names(armed)} armed${until}; ${names(all.filter((each) => !armed.includes(each)))} not`,
    leftSec: first ? Math.max(0, (Date.parse(first.at) - first.nowMs) / 1000) : null,
  };
}

/** `24:31`, of what is left `sinceSec` seconds after the view. */
export function leftText({ leftSec }: Arming, sinceSec: number): string | null {
  return leftSec === null ? null : `${clockTime(Math.max(0, leftSec - Math.max(0, sinceSec)))} left`;
}

export function lockViews(nodes: readonly RigNode[]): string {
  const all = preparedOf(nodes);
  const taken = all.flatMap(({ camera, recorder }) =>
    recorder.lock_view ? [{ camera, at: timeText(recorder.lock_view.at) }] : [],
  );
  if (taken.length === 0)
    return 'Takes a picture of where each camera looks, to tell later whether the mast moved';
  const [first] = taken;
  const without = all.filter(({ camera }) => !taken.some((each) => each.camera === camera));
  const times = taken.every(({ at }) => at === first?.at)
    ? `${without.length === 0 ? count(taken.length, 'picture') : names(taken)}, taken at ${first?.at}`
    : `Taken: ${taken.map(({ camera, at }) => `${camera} at ${at}`).join(', ')}`;
  return without.length === 0 ? times : `${times}; none of ${names(without)}`;
}

export function selfTests(nodes: readonly RigNode[]): SelfTests {
  const all = preparedOf(nodes);
  const tested = all.flatMap(({ camera, recorder }) =>
    recorder.self_test ? [{ camera, result: recorder.self_test }] : [],
  );
  if (tested.length === 0)
    return {
      text: 'Records ten seconds, checks them and deletes them',
      passed: false,
      failed: [],
    };
  const passed = tested.filter(({ result }) => result.passed);
  const failed = tested
    .filter(({ result }) => !result.passed)
    .map(({ camera, result }) => ({ camera, text: sentence(result.findings) }));
  const untested = all.filter(({ camera }) => !tested.some((each) => each.camera === camera));
  const parts = [
    ...(passed.length > 0
      ? [`${passed.length === all.length ? allOf(all.length) : names(passed)} passed`]
      : []),
    ...(failed.length > 0 ? [`${names(failed)} did not pass`] : []),
    ...(untested.length > 0 ? [`${names(untested)} not tested`] : []),
  ];
  const latest =
    tested
      .map(({ result }) => result.at)
      .sort()
      .at(-1) ?? '';
  return {
    text: `${parts.join('; ')}, ${timeText(latest)}`,
    passed: passed.length === all.length,
    failed,
  };
}

/** What a self-test that began `sinceSec` seconds ago is at. */
export function testingText(sinceSec: number, clipSec: number): string {
  const left = Math.ceil(clipSec - sinceSec);
  return left > 0 ? `Recording a clip: ${left} s left` : 'Reading it back, frame by frame';
}

export function sound(nodes: readonly RigNode[]): Switched {
  const all = preparedOf(nodes);
  const on = all.filter(({ recorder }) => recorder.audio.enabled);
  if (on.length === 0) return { on: false, text: 'Off: recordings have no sound' };
  return {
    on: true,
    text:
      on.length === all.length
        ? 'On: the next recording has sound'
        : `On for ${names(on)}, off for ${names(all.filter((each) => !on.includes(each)))}`,
  };
}

/** Why sound cannot be switched now; null when it can. */
export function soundIsFixed(busy: Occupied | null): string | null {
  return busy === null ? null : 'It is switched between recordings, never in one.';
}

export function previews(
  nodes: readonly RigNode[],
): Switched & { readonly yielding: readonly CameraWords[] } {
  const all = preparedOf(nodes);
  const of = (state: RecorderState['preview']['state']): Prepared[] =>
    all.filter(({ recorder }) => recorder.preview.state === state);
  const off = of('off');
  const yielding = of('yielding').map(({ camera, recorder }) => ({
    camera,
    text: recorder.preview.reason ?? 'the recording comes first',
  }));
  const on = off.length < all.length;
  const text =
    off.length === all.length
      ? 'Off: nobody sees what the cameras see'
      : off.length > 0
        ? `Off for ${names(off)}`
        : yielding.length > 0
          ? `On; ${names(yielding)} ${yielding.length === 1 ? 'rests' : 'rest'} for now`
          : 'On, while the machines have time for them';
  return { on, text, yielding };
}

/** `14:02` in the zone of this browser. */
export function timeText(wireTime: string): string {
  return new Date(wireTime).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit' });
}

function sentence(findings: readonly string[]): string {
  return findings.length === 0 ? 'for a reason it did not tell' : findings.join('; ');
}

function names(cameras: readonly { readonly camera: string }[]): string {
  return cameras.map(({ camera }) => camera).join(', ');
}

function allOf(total: number): string {
  return total === 1 ? 'The camera' : `All ${total} cameras`;
}
