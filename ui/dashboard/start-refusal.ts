import type { CameraReadiness } from '#contracts/session.ts';
import type { Problem } from '../live/http.ts';

/** What is said of a start that did not bring in all cameras. Pure. */

/**
 * So long the same start again means "record anyway", milliseconds; a little less than what the rig grants from when it refused
 * (domain/barrier/second-start.ts), so that the last moment on the page is not too late.
 */
export const AGAIN_WITHIN_MS = 9500;

export interface StartRefusal {
  /** Whether only warnings keep cameras out, so that the same start again lets them record. */
  readonly again: boolean;
  readonly title: string;
  readonly lines: readonly { readonly camera: string | null; readonly text: string }[];
}

/** A rig that did not start. */
export function startRefusal(problem: Problem): StartRefusal {
  const { code, message, details } = problem;
  const cameras = code === 'gates_closed' || code === 'no_camera_ready' ? details?.cameras : undefined;
  const again = code === 'gates_closed';
  const lines = Array.isArray(cameras) ? leftOut(cameras as CameraReadiness[]) : [];
  return {
    again,
    title: again ? 'Press again within 10 s to record anyway' : 'The rig did not start',
    lines: lines.length > 0 ? lines : [{ camera: null, text: message }],
  };
}

/** Cameras that do not record, and why. */
export function leftOut(cameras: readonly CameraReadiness[]): StartRefusal['lines'] {
  return cameras
    .filter(({ state }) => state !== 'ready')
    .map(({ camera_id, state, reason }) => ({
      camera: camera_id,
      // The page names the camera itself.
      text: reason?.replace(`${camera_id} `, '') ?? (state === 'silent' ? 'did not answer' : 'was not ready'),
    }));
}

/** Whether some of them would record if they were told to do so in spite of warnings. */
export function couldJoin(cameras: readonly CameraReadiness[]): boolean {
  return cameras.some(
    ({ state, gates }) =>
      state === 'not_ready' &&
      gates.some(({ level }) => level === 'soft') &&
      !gates.some(({ level }) => level === 'hard'),
  );
}
