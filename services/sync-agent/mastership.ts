import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { Promotion } from '#contracts/states.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';

const FILE = 'sync-agent/master.json';

/**
 * Who the master is: the configured one, until a node is promoted. Every node tells the promotion it knows in its state and takes over a
 * later one that it sees, so that a node which was away learns of it from any other. A promotion counts for the configured
 * master that it replaced: whoever configures another one has the last word.
 */
export interface Mastership {
  readonly master: CameraId;
  readonly isMaster: boolean;
  readonly promotion: Promotion | null;
  /** Takes what was kept over the restart. What cannot be read is logged, and the configuration counts. */
  load(): Promise<void>;
  /** Another node's promotion; true when it changed something. */
  saw(promotion: Promotion | null): boolean;
  /** Makes this node the master. Throws what the disk throws: a promotion that a restart forgets is none. */
  promote(): Promise<void>;
}

export function createMastership(deps: {
  readonly config: NodeConfig;
  readonly log: Logger;
  /** What the node keeps over restarts; none when left out. */
  readonly state?: Disk | undefined;
}): Mastership {
  const { config, log, state } = deps;
  let promotion: Promotion | null = null;

  const counts = (other: Promotion): boolean =>
    other.instead_of === config.sync.master && config.cameras.includes(other.master);
  const later = (other: Promotion): boolean => {
    if (promotion === null || other.term !== promotion.term) return other.term > (promotion?.term ?? 0);
    // Promoted on both sides of a broken network: the order of the rig decides.
    return config.cameras.indexOf(other.master) < config.cameras.indexOf(promotion.master);
  };
  const keep = async (kept: Promotion): Promise<void> => {
    await state?.replace(FILE, `${JSON.stringify(kept)}\n`);
  };
  const master = (): CameraId => promotion?.master ?? config.sync.master;

  return {
    get master() {
      return master();
    },
    get isMaster() {
      return master() === config.camera_id;
    },
    get promotion() {
      return promotion;
    },
    async load() {
      if (!state) return;
      try {
        const text = await readText(state, FILE);
        if (text === undefined) return;
        const kept = parseOrThrow(Promotion, JSON.parse(text), 'internal', FILE);
        if (counts(kept) && later(kept)) promotion = kept;
      } catch (error) {
        log.error({ err: error }, `${FILE} cannot be read: the configured master counts`);
      }
    },
    saw(other) {
      if (other === null || !counts(other) || !later(other)) return false;
      promotion = other;
      keep(other).catch((error: unknown) =>
        log.error({ err: error }, 'the promotion of another node is forgotten at the next restart'),
      );
      return true;
    },
    async promote() {
      if (master() === config.camera_id) return;
      const next: Promotion = {
        master: config.camera_id,
        term: (promotion?.term ?? 0) + 1,
        instead_of: config.sync.master,
      };
      await keep(next);
      if (promotion !== null && promotion.term >= next.term)
        throw new TouchlineError('conflict', `${promotion.master} was promoted at the same time`);
      promotion = next;
    },
  };
}
