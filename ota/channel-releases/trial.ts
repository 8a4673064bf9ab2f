import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { ReleaseVersion } from '#contracts/release.ts';
import { type InstallDisk, replaceText } from '#ports/install-disk/install-disk.ts';
import { type Places, TRIAL_FILE, textOf } from './places.ts';

/**
 * A version on trial: written before `current` is switched, removed when the version has proved itself. While it is there, the guard
 * (ota/install/guard.sh), which has no part in any release, counts the boots and goes back when there are too many. Lines of a key
 * and a value, so that a shell can read and write them.
 */
export interface Trial {
  readonly version: string;
  readonly previous: string;
  /** Boots since then, as the guard counts them. */
  readonly boots: number;
  /** Looks of the guard since the last boot. */
  readonly checks: number;
  /** What runs was started from it, as far as is known. */
  readonly started: boolean;
  /** Why it is to be undone; until then undefined. */
  readonly failed: string | undefined;
}

export function trialText(trial: Trial): string {
  const failed = trial.failed === undefined ? '' : `failed ${trial.failed.replaceAll(/\s+/g, ' ')}\n`;
  return `new ${trial.version}\nprevious ${trial.previous}\nboots ${trial.boots}\nchecks ${trial.checks}\nstarted ${trial.started ? 1 : 0}\n${failed}`;
}

export async function readTrial(places: Places): Promise<Trial | undefined> {
  const text = await textOf(join(places.root, TRIAL_FILE));
  if (text === undefined) return undefined;
  const values = new Map(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => [line.slice(0, line.indexOf(' ')), line.slice(line.indexOf(' ') + 1)]),
  );
  const [version, previous] = [values.get('new'), values.get('previous')];
  if (!ReleaseVersion.safeParse(version).success || !ReleaseVersion.safeParse(previous).success)
    throw new TouchlineError('disk_failed', `${join(places.root, TRIAL_FILE)} cannot be read`, {
      remedy: 'Check that `current` points to a version that works, then delete the file.',
    });
  return {
    version: version ?? '',
    previous: previous ?? '',
    boots: Number(values.get('boots') ?? 0),
    checks: Number(values.get('checks') ?? 0),
    started: values.get('started') === '1',
    failed: values.get('failed'),
  };
}

export async function writeTrial(disk: InstallDisk, places: Places, trial: Trial): Promise<void> {
  await replaceText(disk, places.root, TRIAL_FILE, trialText(trial));
}

export async function endTrial(disk: InstallDisk, places: Places): Promise<void> {
  await disk.remove(join(places.root, TRIAL_FILE));
  await disk.syncFolder(places.root);
}
