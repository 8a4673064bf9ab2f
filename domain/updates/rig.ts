import type { CameraId } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { UpdaterState } from '#contracts/updates.ts';
import type { Blocker } from './machine.ts';

/** What one node knows about another. */
export interface PeerUpdates {
  readonly available: boolean;
  /** Null: its updater is not running, or is not known yet. */
  readonly updater: Pick<UpdaterState, 'phase' | 'current' | 'known_as' | 'version' | 'avoided'> | null;
}

/**
 * Why the rig does not let this node apply `target`: all of its cameras get one version or none, so each must have it already, or wait with it. The
 * first reason, or null. One node can tell no more than what the others say of themselves.
 */
export function rigBlocker(
  target: string,
  peers: ReadonlyMap<CameraId, PeerUpdates>,
  session: RigSession | undefined,
  wallUs: number,
): Blocker | null {
  if (session && isUnderWay(session, wallUs))
    return { owner: 'rig', reason: `the rig is in the session ${session.session_id}` };
  for (const [camera, peer] of peers) {
    const blocker = peerBlocker(camera, peer, target);
    if (blocker) return blocker;
  }
  return null;
}

function peerBlocker(owner: CameraId, { available, updater }: PeerUpdates, target: string): Blocker | null {
  if (updater?.avoided.includes(target))
    return { owner, reason: `${target} failed on ${owner}: all cameras get one version or none` };
  if (!available) return { owner, reason: `${owner} is not there: all cameras get one version or none` };
  if (updater === null) return { owner, reason: `the updater of ${owner} is not running` };
  if (updater.phase === 'rolling-back')
    return { owner, reason: `${owner} is going back to the version before` };
  const runs = updater.current === target || updater.known_as === target;
  if (runs) return updater.phase === 'verifying' ? { owner, reason: `${owner} is looking at it` } : null;
  if (updater.version === target && updater.phase !== 'downloading') return null;
  return { owner, reason: `${owner} does not have ${target} yet` };
}

/** A record that nobody closed is over with the longest duration of its session. */
function isUnderWay({ state, start_at, max_duration_sec, updated_at }: RigSession, wallUs: number): boolean {
  if (state !== 'recording' && state !== 'preparing') return false;
  return wallUs < fromWireTime(start_at ?? updated_at) + max_duration_sec * 1e6;
}
