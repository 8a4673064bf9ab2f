import { basename, join } from 'node:path';
import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { InstallDisk } from '#ports/install-disk/install-disk.ts';
import type { Units } from '#ports/units/units.ts';
import type { Applied, IsHealthy, MayApply } from './outcomes.ts';
import { currentVersion, type Places } from './places.ts';
import { installedIn, readRecord, writeRecord } from './record.ts';
import { endTrial, readTrial, type Trial, writeTrial } from './trial.ts';

export interface SwitchingParts {
  readonly disk: InstallDisk;
  readonly places: Places;
  readonly units: Units;
  /** All units of the node but `ownUnit`. */
  readonly services: readonly string[];
  /** The unit that this runs in: restarted last, and its successor ends the trial. Left out by a program that is no unit. */
  readonly ownUnit?: string | undefined;
  readonly isHealthy: IsHealthy;
  readonly mayApply: MayApply;
  readonly clock: Pick<Clock, 'wallUs'>;
}

/** Changing the version that runs, on trial, and back. Every step may be the last before a power cut. */
export function createSwitching(parts: SwitchingParts) {
  const { disk, places, units, services, ownUnit } = parts;

  const pointTo = async (version: string): Promise<void> => {
    const next = join(places.root, 'current.new');
    await disk.remove(next);
    await disk.link(join(basename(places.releases), version), next);
    await disk.rename(next, places.current);
    await disk.syncFolder(places.root);
  };

  const restartAndSee = async (
    version: string,
    signal?: AbortSignal,
  ): Promise<{ healthy: true } | { healthy: false; reason: string }> => {
    try {
      await units.restart(services);
      return await parts.isHealthy(version, signal);
    } catch (error) {
      signal?.throwIfAborted();
      return { healthy: false, reason: error instanceof Error ? error.message : String(error) };
    }
  };

  /** Remembers why, and points back; each of the steps can be repeated. */
  const pointBack = async (trial: Trial, reason: string): Promise<void> => {
    const { version, previous } = trial;
    if (trial.failed === undefined) await writeTrial(disk, places, { ...trial, failed: reason });
    if ((await currentVersion(places)) !== previous) await pointTo(previous);
    const record = await readRecord(places);
    const counter = (await installedIn(places, version))?.counter ?? 0;
    const at = toWireTime(parts.clock.wallUs());
    await writeRecord(disk, places, {
      ...record,
      failed: [...record.failed.filter((each) => each.version !== version), { version, counter, reason, at }],
    });
  };

  const rollBack = async (trial: Trial, reason: string): Promise<Applied> => {
    const { version, previous } = trial;
    await pointBack(trial, reason);
    let why = reason;
    try {
      await units.restart(services);
    } catch (error) {
      // Gone back it is; what does not start there was broken before.
      why += `; and then ${error instanceof Error ? error.message : String(error)}`;
    }
    await endTrial(disk, places);
    // The program that decides this may be one of the version that is left.
    if (ownUnit !== undefined) await units.restartOwn(ownUnit);
    return { outcome: 'rolled_back', version, previous, reason: why };
  };

  /** The version has proved itself: what was held against it before is forgotten. */
  const prove = async (version: string): Promise<void> => {
    const record = await readRecord(places);
    const failed = record.failed.filter((each) => each.version !== version);
    if (failed.length < record.failed.length) await writeRecord(disk, places, { ...record, failed });
    await endTrial(disk, places);
  };

  /** Ends an open trial while no recording can begin. */
  const judge = async (trial: Trial, signal?: AbortSignal): Promise<Applied> => {
    const { version, previous } = trial;
    if (trial.failed !== undefined) return rollBack(trial, trial.failed);
    if ((await currentVersion(places)) !== version) {
      // Cut before the switch: nothing of it was ever started.
      await endTrial(disk, places);
      return { outcome: 'interrupted', version, reason: 'it was cut off before it was switched to' };
    }
    const seen = trial.started
      ? await parts.isHealthy(version, signal)
      : await restartAndSee(version, signal);
    if (!seen.healthy) return rollBack(trial, seen.reason);
    await prove(version);
    return { outcome: 'applied', version, previous };
  };

  return {
    /** Switches to a version that is unpacked already, when the update lock lets it. */
    async tryVersion(version: string, previous: string, signal?: AbortSignal): Promise<Applied> {
      const permission = await parts.mayApply();
      if (!permission.allowed) return { outcome: 'waiting', version, reason: permission.reason };
      try {
        signal?.throwIfAborted();
        const trial: Trial = { version, previous, boots: 0, checks: 0, started: false, failed: undefined };
        await writeTrial(disk, places, trial);
        await pointTo(version);
        const seen = await restartAndSee(version, signal);
        if (!seen.healthy) return await rollBack(trial, seen.reason);
        if (ownUnit === undefined) {
          await prove(version);
          return { outcome: 'applied', version, previous };
        }
        await writeTrial(disk, places, { ...trial, started: true });
        await units.restartOwn(ownUnit);
        return { outcome: 'handing_over', version, previous };
      } finally {
        await permission.release();
      }
    },

    /** Ends a trial that a restart or a power cut has left open, when the update lock lets it; undefined when there is none. */
    async settleTrial(signal?: AbortSignal): Promise<Applied | undefined> {
      const trial = await readTrial(places);
      if (trial === undefined) return undefined;
      const permission = await parts.mayApply();
      if (!permission.allowed)
        return { outcome: 'waiting', version: trial.version, reason: permission.reason };
      try {
        return await judge(trial, signal);
      } finally {
        await permission.release();
      }
    },
  };
}
