import type { RigSession, SessionState } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { ButtonRow } from './button.ts';

/** What a press means now, by what this node's recorder and the rig do. `nowUs` is master time. */
export function buttonRow(
  recorder: SessionState | undefined,
  session: RigSession | undefined,
  nowUs: number,
): ButtonRow {
  // What this node does counts before the record: a session that a dead broker cannot tell of runs all the same.
  if (recorder === 'recording' || recorder === 'preparing' || recorder === 'finalizing') return recorder;
  // The others record and this camera does not: the button is still that of the rig.
  return session !== undefined && isRecording(session, nowUs) ? 'recording' : 'idle';
}

/** Whether the rig records by its record, which nobody closes when its conductor dies. `nowUs` is master time. */
export function isRecording({ state, start_at, max_duration_sec }: RigSession, nowUs: number): boolean {
  if (state !== 'recording' || start_at === null) return false;
  return nowUs < fromWireTime(start_at) + max_duration_sec * 1e6;
}
