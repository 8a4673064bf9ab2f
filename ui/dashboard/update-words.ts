import type { RigView } from '#contracts/http-node.ts';
import type { UpdateEntry, UpdaterState } from '#contracts/updates.ts';

/** Updates of the rig in words. Pure. */

export interface RigUpdate {
  readonly title: string;
  /** Why it waits, camera by camera where they differ. */
  readonly reasons: readonly string[];
  readonly tone: 'calm' | 'warning';
  /** Cameras where it waits: they can be asked to apply it. */
  readonly cameras: readonly string[];
  /** Whether asking now would be refused: then it can only be queued. */
  readonly locked: boolean;
}

export interface PastUpdate extends UpdateEntry {
  readonly camera: string;
}

type Spoken = { readonly camera: string; readonly updater: UpdaterState };

function spoken(nodes: RigView['nodes']): Spoken[] {
  return nodes.flatMap(({ camera_id, available, status }) =>
    available && status?.updater ? [{ camera: camera_id, updater: status.updater }] : [],
  );
}

/** What goes on with updates, or waits; undefined when there is nothing to say. */
export function rigUpdate(nodes: RigView['nodes']): RigUpdate | undefined {
  const all = spoken(nodes).filter(({ updater }) => updater.phase !== 'idle');
  const [first] = all;
  if (!first) return undefined;
  const versions = [...new Set(all.map(({ updater }) => updater.version ?? '?'))].join(' and ');
  const waits = all.filter(({ updater }) => updater.phase === 'waiting' || updater.phase === 'queued');
  const busy = all.find(({ updater }) => ['applying', 'rolling-back'].includes(updater.phase));
  const reasons = [...new Set(waits.map(({ updater }) => updater.reason ?? 'for its moment'))];
  const [single] = reasons.length === 1 ? reasons : [];
  return {
    title: busy
      ? `${busy.camera}: ${busy.updater.phase === 'applying' ? 'update' : 'going back from'} ${versions}: leave the power on`
      : waits.length > 0
        ? `Update ${versions} waits${single === undefined ? '' : `: ${single}`}`
        : first.updater.phase === 'downloading'
          ? `Update ${versions} is being downloaded`
          : `Update ${versions} is being looked at`,
    reasons:
      single === undefined
        ? waits.map(({ camera, updater }) => `${camera}: ${updater.reason ?? 'for its moment'}`)
        : [],
    tone: busy ? 'warning' : 'calm',
    cameras: waits.map(({ camera }) => camera),
    locked: waits.some(({ updater }) => updater.lock !== null),
  };
}

/** What was, of all cameras, the latest first. */
export function pastUpdates(nodes: RigView['nodes']): PastUpdate[] {
  return spoken(nodes)
    .flatMap(({ camera, updater }) => updater.history.map((entry) => ({ ...entry, camera })))
    .sort((a, b) => b.at.localeCompare(a.at));
}

const RESULTS: Readonly<Record<UpdateEntry['result'], string>> = {
  committed: 'runs',
  rolled_back: 'was gone back from',
  failed: 'failed',
};

export function pastWords({ camera, version, from, source, result, reason }: PastUpdate): string {
  return `${camera}: ${version} ${RESULTS[result]} (before: ${from}; by: ${source}). ${reason}`;
}
