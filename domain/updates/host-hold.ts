import type { NodeConfig } from '#contracts/node-config.ts';
import type { UpdatesRecord } from '#contracts/updates.ts';

/**
 * Whether the updater keeps the Supervisor from applying an update by itself, with a lock file of its own container: without it a release that has
 * just come would be applied between two halves, or on one camera of three. It lets go while an update is to be applied, and in the window while it is
 * known that none waits, so that the host can be updated too; never by itself where updates are for people to apply.
 */
export function keepsHostAway(
  { phase, version }: UpdatesRecord,
  { updates, cameras }: NodeConfig,
  { inWindow, known }: { inWindow: boolean; known: boolean },
): boolean {
  if (updates.channel !== 'balena' || phase === 'applying') return false;
  if (updates.automatic === 'always' && (!updates.whole_rig || cameras.length === 1)) return false;
  return !(inWindow && known && version === null && updates.automatic !== 'never');
}
