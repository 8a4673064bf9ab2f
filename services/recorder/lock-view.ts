import { createHash } from 'node:crypto';
import { nodeLayout } from '#contracts/layout.ts';
import { LockView } from '#contracts/manifest.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Still } from './preview.ts';

/** A mast that was aimed yesterday was taken down since. Microseconds. */
const VALID_US = 12 * 3600 * 1e6;

/** Reference pictures of where the camera looks: taken before the match, kept with each recording. */
export interface LockViews {
  /** The last one, when it still counts. */
  readonly latest: LockView | null;
  /** Learns of one that an earlier run took. */
  load(): Promise<void>;
  /** Keeps this picture. */
  keep(still: Still): Promise<LockView>;
}

export function createLockViews(options: {
  disk: Disk;
  clock: Clock;
  masterOfLocal: (localUs: number) => number;
}): LockViews {
  const { disk, clock, masterOfLocal } = options;
  let latest: LockView | null = null;
  const valid = (view: LockView | null): LockView | null =>
    view && masterOfLocal(clock.wallUs()) - fromWireTime(view.at) < VALID_US ? view : null;
  return {
    get latest() {
      return valid(latest);
    },
    async load() {
      const text = await readText(disk, nodeLayout.lockViewRecord);
      latest = text === undefined ? null : LockView.parse(JSON.parse(text));
    },
    async keep({ jpeg, capturedUs, width, height }) {
      const atUs = Math.round(masterOfLocal(capturedUs));
      const view: LockView = {
        file: nodeLayout.lockViewName(atUs),
        at: toWireTime(atUs),
        sha256: createHash('sha256').update(jpeg).digest('hex'),
        width,
        height,
      };
      const file = await disk.open(nodeLayout.lockView(view.file), 'create');
      try {
        await file.append(jpeg);
        await file.sync();
      } finally {
        await file.close();
      }
      await disk.replace(nodeLayout.lockViewRecord, `${JSON.stringify(view)}\n`);
      latest = view;
      return view;
    },
  };
}
