import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Supervisor } from '#ports/supervisor/supervisor.ts';
import type { UpdateChannel } from '#ports/update-channel/update-channel.ts';

/** The Supervisor downloads by itself; so often it is looked whether it has. */
const LOOK_AGAIN_US = 2_000_000;
/** A release of which the Supervisor does not tell the number; there is one at a time. */
const UNNAMED = 'next release';

/**
 * Updates of a fleet on balena. The Supervisor downloads, replaces containers, and goes by the update lock; here it is only asked to do so at once. Going
 * back is a matter of the fleet: the release that a device shall have is pinned in balena.
 */
export function balenaChannel(supervisor: Supervisor, clock: Clock): UpdateChannel {
  return {
    name: 'balena',
    async state(signal) {
      const { commit, applying, pending } = await supervisor.state(signal);
      const offer = pending && {
        version: pending.release === null ? UNNAMED : `release ${pending.release}`,
        downloaded: pending.downloaded,
        progress: pending.progress,
      };
      return { current: commit, previous: null, offer, applying, undone: [], refused: null };
    },
    check: (signal) => supervisor.update(signal),
    async download(_version, signal) {
      for (;;) {
        const { pending } = await supervisor.state(signal);
        if (!pending || pending.downloaded) return;
        await clock.sleepUntil(clock.monoUs() + LOOK_AGAIN_US, 'download of a release', signal);
      }
    },
    apply: (_version, signal) => supervisor.update(signal),
    // The Supervisor keeps nothing of the release before.
    confirm: async () => undefined,
    async rollback() {
      throw new TouchlineError(
        'rollback_impossible',
        'a device on balena cannot go back by itself: pin it, or its fleet, to the release before',
      );
    },
  };
}
