import { join } from 'node:path';
import { z } from 'zod';
import { InstalledRelease, ReleaseVersion } from '#contracts/release.ts';
import { WireTime } from '#contracts/time.ts';
import { type InstallDisk, replaceText } from '#ports/install-disk/install-disk.ts';
import { INSTALLED_FILE } from '../format/names.ts';
import { type Places, RECORD_FILE, textOf } from './places.ts';

const FAILURES_KEPT = 20;

/** What a node remembers of the releases it has met. */
const ReleaseRecord = z.object({
  v: z.literal(1),
  highest: z.object({ counter: z.int().min(1), version: ReleaseVersion }).nullable(),
  failed: z.array(
    z.object({ version: ReleaseVersion, counter: z.int().min(0), reason: z.string(), at: WireTime }),
  ),
});
export type ReleaseRecord = z.infer<typeof ReleaseRecord>;

const EMPTY: ReleaseRecord = { v: 1, highest: null, failed: [] };

/** A record that is damaged counts as empty: what is installed still sets the floor for counters. */
export async function readRecord(places: Places): Promise<ReleaseRecord> {
  const text = await textOf(join(places.root, RECORD_FILE));
  if (text === undefined) return EMPTY;
  return parsed(ReleaseRecord, text) ?? EMPTY;
}

export async function writeRecord(disk: InstallDisk, places: Places, record: ReleaseRecord): Promise<void> {
  const failed = record.failed.slice(-FAILURES_KEPT);
  await replaceText(disk, places.root, RECORD_FILE, `${JSON.stringify({ ...record, failed }, null, 2)}\n`);
}

/** What is unpacked in a folder of `releases`; undefined when it is no whole release. */
export async function installedIn(places: Places, version: string): Promise<InstalledRelease | undefined> {
  const text = await textOf(join(places.releases, version, INSTALLED_FILE));
  return text === undefined ? undefined : parsed(InstalledRelease, text);
}

function parsed<S extends z.ZodType>(schema: S, text: string): z.output<S> | undefined {
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}
