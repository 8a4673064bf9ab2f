import type { Problem } from '../live/http.ts';

/** Troubles of cameras, said to people at the touchline. Pure. */

/** What the rig does about it by itself; undefined when there is nothing to add. */
export function meaningOf(code: string): string | undefined {
  return code === 'camera_failed' ? 'It starts again by itself.' : undefined;
}

/** Why another camera gives nothing, without addresses and system codes: those are in `Problem.message`. */
export function troubleOf({ code, message }: Problem): string {
  switch (code) {
    case 'peer_silent':
    case 'unreachable':
      return 'Not reachable';
    case 'preview_unavailable':
      return message.startsWith('the recorder does not answer') ? 'Its recorder does not answer' : message;
    case 'page_failed':
      return 'Not understood';
    default:
      return message;
  }
}
