import type { Problem } from '../live/http.ts';

/** Troubles of cameras, said to people at the touchline. Pure. */

/** What the rig does about it by itself, or what a person can do; undefined when there is nothing to add. */
export function meaningOf(code: string): string | undefined {
  return MEANINGS[code];
}

const MEANINGS: Readonly<Record<string, string>> = {
  camera_failed: 'It starts again by itself.',
  clock_disagreement: 'When nothing records, restart the camera whose offset is off.',
  clock_stepped: 'Recordings go by a clock that nobody sets: they are unharmed.',
  service_missed: 'Recordings go on without it. When it stays, restart this camera.',
  time_daemon_failed: 'It starts again by itself; the cameras keep each other in time meanwhile.',
};

/** What a camera is doing when it refuses something. */
const DOING: Readonly<Record<string, string>> = {
  armed: 'is armed: disarm it first',
  preparing: 'is starting a recording',
  recording: 'is recording',
  finalizing: 'is closing its files',
  error: 'has failed: a start tries again',
};

/** Why a camera refused what it was asked for. */
export function refusalOf(problem: Problem): string {
  const { code, details } = problem;
  const doing = code === 'illegal_transition' ? DOING[String(details?.state)] : undefined;
  if (doing !== undefined) return doing;
  return code === 'peer_silent' || code === 'unreachable' ? 'does not answer' : troubleOf(problem);
}

/** Why another camera gives nothing, without addresses and system codes: those are in `Problem.message`. */
export function troubleOf({ code, message }: Problem): string {
  switch (code) {
    case 'peer_silent':
    case 'unreachable':
      return 'Not reachable';
    case 'preview_unavailable':
      if (message.startsWith('the recorder does not answer')) return 'Its recorder does not answer';
      return message.startsWith('the processors are busy') ? 'Too busy for pictures' : message;
    case 'page_failed':
      return 'Not understood';
    default:
      return message;
  }
}
