import type { SessionId } from '#contracts/ids.ts';
import type { CameraReadiness, RigSession } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';

/** N8: the same start within this counts as an override of soft gates. */
export const SECOND_START_WITHIN_MS = 10_000;
/** Nobody reads a refusal and asks again faster: this is the first start, arriving twice. */
const SECOND_START_AFTER_MS = 250;

/** Whether only soft gates keep the camera out. */
export function softlyRefused({ state, gates }: CameraReadiness): boolean {
  return (
    state === 'not_ready' &&
    gates.some(({ level }) => level === 'soft') &&
    !gates.some(({ level }) => level === 'hard')
  );
}

/**
 * Whether a start that is asked at `nowUs` (master time) is the second one, after soft gates kept cameras out of `last`. It is read from
 * the rig's record, so that it does not matter which node is asked, nor which one conducts.
 */
export function isSecondStart(
  last: RigSession | undefined,
  asked: { readonly session_id?: SessionId | undefined },
  nowUs: number,
): boolean {
  if (last === undefined || (last.state !== 'failed' && last.state !== 'recording')) return false;
  if (!last.cameras.some(softlyRefused) || !sameStart(last, asked)) return false;
  const sinceMs = (nowUs - fromWireTime(last.updated_at)) / 1000;
  return sinceMs >= SECOND_START_AFTER_MS && sinceMs <= SECOND_START_WITHIN_MS;
}

/** A button names no session; whoever does must name the same. */
export function sameStart(
  last: Pick<RigSession, 'session_id'>,
  asked: { readonly session_id?: SessionId | undefined },
): boolean {
  return asked.session_id === undefined || asked.session_id === last.session_id;
}
