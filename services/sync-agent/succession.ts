import type { CameraId, SessionUid } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Mastership } from './mastership.ts';
import type { OwnTime } from './own-time.ts';
import type { PeerTime } from './peer-time.ts';

/** Peers are asked eight times in the first second; who is there has answered by then. */
const GRACE_US = 1_500_000;
/** Below this they tell the same time. */
const SAME_US = 1_000;

/**
 * A master that comes back while the rig records: its clock may be unset after a power cut, or have been stepped before it crashed. The others
 * have kept rig time; it goes on with theirs, for a jump would go through every recording. Until it knows, it tells no time.
 */
export interface Succession {
  readonly settled: boolean;
  /** The rig's record; the first one seen is the session from before this run, if it runs. */
  saw(session: RigSession): void;
  /** Looks whether there is something to go on with. Called at every answer of a peer. */
  look(): void;
}

export function createSuccession(deps: {
  readonly clock: Clock;
  readonly log: Logger;
  readonly mastership: Mastership;
  readonly ownTime: OwnTime;
  readonly peers: readonly CameraId[];
  readonly measured: (cameraId: CameraId) => PeerTime | undefined;
}): Succession {
  const { clock, log, mastership, ownTime, peers } = deps;
  const startedUs = clock.monoUs();
  let first: { readonly uid: SessionUid; readonly inherited: boolean } | undefined;
  let compared = false;

  const best = ():
    | { readonly cameraId: CameraId; readonly masterUs: number; readonly boundUs: number }
    | undefined => {
    const monoUs = clock.monoUs();
    return peers
      .map((cameraId) => ({ cameraId, now: deps.measured(cameraId)?.at(monoUs) }))
      .flatMap(({ cameraId, now }) =>
        now ? [{ cameraId, masterUs: now.masterUs, boundUs: now.boundUs }] : [],
      )
      .sort((a, b) => a.boundUs - b.boundUs)[0];
  };

  const look = (): void => {
    if (compared || !mastership.isMaster || !first?.inherited) return;
    const kept = best();
    if (kept === undefined) return;
    compared = true;
    const monoUs = clock.monoUs();
    const apartUs = kept.masterUs - (monoUs + ownTime.offsetUs);
    if (Math.abs(apartUs) <= kept.boundUs + SAME_US) return;
    log.warn(
      { apart_ms: apartUs / 1000, kept_by: kept.cameraId },
      'goes on with the rig time that others kept',
    );
    ownTime.carryOn(monoUs, kept.masterUs);
  };

  return {
    get settled() {
      return !mastership.isMaster || compared || peers.length === 0 || clock.monoUs() - startedUs >= GRACE_US;
    },
    saw(session) {
      // Its longest duration does not count: what the clock says here may be years off.
      const underWay = session.state === 'recording';
      first ??= { uid: session.session_uid, inherited: underWay };
      if (first.inherited && (session.session_uid !== first.uid || !underWay))
        first = { ...first, inherited: false };
      look();
    },
    look,
  };
}
