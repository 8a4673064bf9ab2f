import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { CameraReadiness, SessionState } from '#contracts/session.ts';
import { fileStamp } from '#contracts/time.ts';

/** Answer of one camera to `prepare`; `silent` with the reason when there was none in time. */
export type PrepareAnswer =
  | {
      readonly cameraId: CameraId;
      readonly ready: boolean;
      readonly gates: readonly Gate[];
      readonly sessionUid: SessionUid | null;
      readonly sessionId: SessionId;
      /** What the node is doing with that session. */
      readonly state: SessionState;
    }
  | { readonly cameraId: CameraId; readonly silent: string };

export type BarrierDecision =
  /** Another conductor was first: its session is the rig's. */
  | { readonly decision: 'adopt'; readonly sessionUid: SessionUid; readonly sessionId: SessionId }
  | { readonly decision: 'start'; readonly cameras: CameraReadiness[] }
  | { readonly decision: 'refuse'; readonly cameras: CameraReadiness[] };

/**
 * What follows from the answers: cameras that are ready start, the others are named; a session that others are
 * already in is adopted instead of a second one beside it. `endedUid` is the last session that the rig's record calls ended: who is
 * still busy with it or an earlier one is not ready, and no reason to go back to it.
 */
export function decideStart(
  sessionUid: SessionUid,
  answers: readonly PrepareAnswer[],
  endedUid?: SessionUid,
): BarrierDecision {
  for (const answer of answers) {
    if ('silent' in answer || answer.sessionUid === null || answer.sessionUid === sessionUid) continue;
    const alive = answer.state === 'preparing' || answer.state === 'recording';
    if (alive && (endedUid === undefined || answer.sessionUid > endedUid))
      return { decision: 'adopt', sessionUid: answer.sessionUid, sessionId: answer.sessionId };
  }
  const cameras = answers.map((answer) => readinessOf(sessionUid, answer));
  return { decision: cameras.some((camera) => camera.state === 'ready') ? 'start' : 'refuse', cameras };
}

function readinessOf(sessionUid: SessionUid, answer: PrepareAnswer): CameraReadiness {
  if ('silent' in answer)
    return { camera_id: answer.cameraId, state: 'silent', reason: answer.silent, gates: [] };
  const gates = [...answer.gates];
  const elsewhere = answer.sessionUid !== null && answer.sessionUid !== sessionUid;
  if (answer.ready && !elsewhere) return { camera_id: answer.cameraId, state: 'ready', gates };
  const reason = gates
    .filter((gate) => gate.level !== 'note')
    .map((gate) => gate.reason)
    .join('; ');
  return {
    camera_id: answer.cameraId,
    state: 'not_ready',
    reason: elsewhere && reason === '' ? `busy with ${answer.sessionId}` : reason || 'not ready',
    gates,
  };
}

/** Of two conductors at once the lower rank wins: the master has 0, the others follow in the order of the rig. */
export function conductorRank(cameraId: CameraId, master: CameraId, cameras: readonly CameraId[]): number {
  return cameraId === master ? 0 : 1 + cameras.indexOf(cameraId);
}

/** `GAME_20240315_140000`: the name of a session that nobody named. */
export function generatedSessionId(masterUs: number): SessionId {
  return `GAME_${fileStamp(masterUs)}`;
}
