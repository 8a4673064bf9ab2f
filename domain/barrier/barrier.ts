import type { CameraId, SessionId, SessionUid } from '#contracts/ids.ts';
import type { Gate } from '#contracts/manifest.ts';
import type { CameraReadiness } from '#contracts/session.ts';
import { fileStamp } from '#contracts/time.ts';

/** Answer of one camera to `prepare`; `silent` with the reason when there was none in time. */
export type PrepareAnswer =
  | {
      readonly cameraId: CameraId;
      readonly ready: boolean;
      readonly gates: readonly Gate[];
      readonly sessionUid: SessionUid | null;
      readonly sessionId: SessionId;
      readonly committed: boolean;
    }
  | { readonly cameraId: CameraId; readonly silent: string };

export type BarrierDecision =
  /** Another conductor was first: its session is the rig's. */
  | { readonly decision: 'adopt'; readonly sessionUid: SessionUid; readonly sessionId: SessionId }
  | { readonly decision: 'start'; readonly cameras: CameraReadiness[] }
  | { readonly decision: 'refuse'; readonly cameras: CameraReadiness[] };

/**
 * What follows from the answers: cameras that are ready start, the others are named; a session that others are
 * already in is adopted instead of a second one beside it.
 */
export function decideStart(sessionUid: SessionUid, answers: readonly PrepareAnswer[]): BarrierDecision {
  for (const answer of answers)
    if (!('silent' in answer) && answer.sessionUid !== null && answer.sessionUid !== sessionUid)
      return { decision: 'adopt', sessionUid: answer.sessionUid, sessionId: answer.sessionId };
  const cameras = answers.map(readinessOf);
  return { decision: cameras.some((camera) => camera.state === 'ready') ? 'start' : 'refuse', cameras };
}

export function readinessOf(answer: PrepareAnswer): CameraReadiness {
  if ('silent' in answer)
    return { camera_id: answer.cameraId, state: 'silent', reason: answer.silent, gates: [] };
  const gates = [...answer.gates];
  if (answer.ready) return { camera_id: answer.cameraId, state: 'ready', gates };
  const reason = gates
    .filter((gate) => gate.level !== 'note')
    .map((gate) => gate.reason)
    .join('; ');
  return {
    camera_id: answer.cameraId,
    state: 'not_ready',
    reason: reason === '' ? 'not ready' : reason,
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
