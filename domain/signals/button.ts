/**
 * The button: from the times of its edges to what is done. Pure: edges and the passing of time go in, actions come out. Times are
 * monotonic microseconds.
 *
 * | what goes on when it goes down | press | hold |
 * | --- | --- | --- |
 * | idle | start the rig | 3 s: Lock View; 8 s: safe shutdown |
 * | recording | mark a moment | 2 s: stop the rig, after the stop tone |
 * | preparing | nothing: it starts already | 2 s: stop the rig, after the stop tone |
 * | finalizing | nothing | nothing |
 *
 * A press acts when the button comes up, so that a hold is not also a press. Of the holds, Lock View acts when the button comes up before
 * 8 s, because on the way to 8 s every shutdown passes 3 s; stop and shutdown act at their threshold, because nobody can tell by
 * feel that the time is over.
 */

/** What goes on decides the row of the table, at the moment the button goes down. */
export type ButtonRow = 'idle' | 'recording' | 'preparing' | 'finalizing';

export type ButtonAction = 'start' | 'lock-view' | 'shutdown' | 'moment' | 'stop' | 'refuse-shutdown';

/** Contacts bounce for some milliseconds, worn ones for ten and more; a finger that taps stays for fifty at least. */
export const DEBOUNCE_US = 30_000;
const HOLD_LOCK_VIEW_US = 3_000_000;
const HOLD_SHUTDOWN_US = 8_000_000;
const HOLD_STOP_US = 2_000_000;

interface Hold {
  readonly afterUs: number;
  readonly does: ButtonAction;
  readonly at: 'threshold' | 'release';
}

interface RowTable {
  readonly press: ButtonAction | undefined;
  /** In order of time. */
  readonly holds: readonly Hold[];
  /** For people. */
  readonly words: string;
}

const STOP: Hold = { afterUs: HOLD_STOP_US, does: 'stop', at: 'threshold' };
const REFUSE_SHUTDOWN: Hold = { afterUs: HOLD_SHUTDOWN_US, does: 'refuse-shutdown', at: 'threshold' };

export const BUTTON: Readonly<Record<ButtonRow, RowTable>> = {
  idle: {
    press: 'start',
    holds: [
      { afterUs: HOLD_LOCK_VIEW_US, does: 'lock-view', at: 'release' },
      { afterUs: HOLD_SHUTDOWN_US, does: 'shutdown', at: 'threshold' },
    ],
    words: 'Nothing is recorded',
  },
  recording: { press: 'moment', holds: [STOP, REFUSE_SHUTDOWN], words: 'While it records' },
  preparing: { press: undefined, holds: [STOP, REFUSE_SHUTDOWN], words: 'While it starts' },
  finalizing: { press: undefined, holds: [], words: 'While it finishes' },
};

export const ACTION_WORDS: Readonly<Record<ButtonAction, string>> = {
  start: 'starts all cameras',
  'lock-view': 'Lock View: remembers where the cameras look',
  shutdown: 'shuts down safely',
  moment: 'marks a moment',
  stop: 'stops all cameras, after the stop tone',
  'refuse-shutdown': 'nothing more: no shutdown while it records',
};

interface Press {
  readonly row: ButtonRow;
  readonly sinceUs: number;
  /** So many of the row's holds have passed. */
  readonly passed: number;
}

export interface Button {
  /** As the line says, bounces included. */
  readonly raw: { readonly pressed: boolean; readonly sinceUs: number };
  /** Without bounces. */
  readonly pressed: boolean;
  /** Undefined while it is up; `ignored` when it was down before anybody looked: nothing is done until it comes up. */
  readonly press: Press | 'ignored' | undefined;
}

export interface Done {
  readonly action: ButtonAction;
  /** When the button went down. */
  readonly pressedUs: number;
}

/** As it is found: one that is down already, or stuck, does nothing. */
export function foundButton(pressed: boolean, nowUs: number): Button {
  return { raw: { pressed, sinceUs: nowUs }, pressed, press: pressed ? 'ignored' : undefined };
}

export interface Moved {
  readonly button: Button;
  readonly done: readonly Done[];
}

/** An edge: what was due before it happens first, however late it is told. */
export function edge(button: Button, pressed: boolean, atUs: number, row: ButtonRow): Moved {
  const before = passTime(button, atUs, row);
  if (before.button.raw.pressed === pressed) return before;
  return { button: { ...before.button, raw: { pressed, sinceUs: atUs } }, done: before.done };
}

/** Time has come to `nowUs`. `row` counts for a press that begins in it. */
export function passTime(button: Button, nowUs: number, row: ButtonRow): Moved {
  const { raw } = button;
  const settledUs = raw.sinceUs + DEBOUNCE_US;
  if (raw.pressed === button.pressed || nowUs < settledUs) return holds(button, nowUs);
  if (raw.pressed)
    return holds({ raw, pressed: true, press: { row, sinceUs: raw.sinceUs, passed: 0 } }, nowUs);
  // What passed before the button came up passed; the time it then took to be sure of it does not count.
  const { button: held, done } = holds(button, raw.sinceUs);
  return { button: { raw, pressed: false, press: undefined }, done: [...done, ...released(held.press)] };
}

function holds(button: Button, nowUs: number): Moved {
  const { press, raw } = button;
  if (press === undefined || press === 'ignored') return { button, done: [] };
  // While the line says that it is up, it may have come up: a threshold waits until that is known.
  const untilUs = raw.pressed ? nowUs : Math.min(nowUs, raw.sinceUs);
  const table = BUTTON[press.row].holds;
  const passed = table.filter(({ afterUs }) => untilUs >= press.sinceUs + afterUs).length;
  if (passed <= press.passed) return { button, done: [] };
  const done = table
    .slice(press.passed, passed)
    .filter(({ at }) => at === 'threshold')
    .map(({ does }) => ({ action: does, pressedUs: press.sinceUs }));
  return { button: { ...button, press: { ...press, passed } }, done };
}

function released(press: Button['press']): Done[] {
  if (press === undefined || press === 'ignored') return [];
  const { press: tap, holds: table } = BUTTON[press.row];
  const last = press.passed === 0 ? undefined : table[press.passed - 1];
  const action = press.passed === 0 ? tap : last?.at === 'release' ? last.does : undefined;
  return action === undefined ? [] : [{ action, pressedUs: press.sinceUs }];
}

/** When `passTime` has something to do next, if no edge comes before; undefined: never. */
export function nextLookUs({ raw, pressed, press }: Button): number | undefined {
  if (raw.pressed !== pressed) return raw.sinceUs + DEBOUNCE_US;
  if (press === undefined || press === 'ignored') return undefined;
  const hold = BUTTON[press.row].holds[press.passed];
  return hold === undefined ? undefined : press.sinceUs + hold.afterUs;
}
