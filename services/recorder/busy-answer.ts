import type { CommandResult } from '#contracts/commands.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { SessionState } from '#contracts/session.ts';
import type { Take } from './take.ts';

/** The answer to a `prepare` while this node is in a session: the first one counts. `gates` are those it was prepared with. */
export function busyAnswer(
  camera_id: CameraId,
  state: SessionState,
  first: Take,
  gates: Gate[],
): CommandResult<'prepare'> {
  const ready = state === 'preparing';
  const { sessionUid, sessionId } = first;
  const said: Gate = { gate: 'session', level: 'hard', reason: `session ${sessionId} is ${state}` };
  return {
    camera_id,
    state,
    session_uid: sessionUid,
    session_id: sessionId,
    ready,
    gates: ready ? gates : [said],
  };
}
