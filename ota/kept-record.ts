import { UpdatesRecord } from '#contracts/updates.ts';
import { NO_UPDATES } from '#domain/updates/machine.ts';
import { type Disk, readText } from '#ports/disk/disk.ts';
import type { Logger } from '#runtime/logger.ts';

const FILE = 'updates.json';

/** What was kept of updates; nothing when there is none. One that cannot be read is told and begun anew: updates go on without their history. */
export async function loadRecord(state: Disk, log: Logger): Promise<UpdatesRecord> {
  const text = await readText(state, FILE);
  if (text === undefined) return NO_UPDATES;
  try {
    return UpdatesRecord.parse(JSON.parse(text));
  } catch (error) {
    log.error({ err: error, file: FILE }, 'the history of updates cannot be read: a new one begins');
    return NO_UPDATES;
  }
}

export async function keepRecord(state: Disk, record: UpdatesRecord): Promise<void> {
  await state.replace(FILE, `${JSON.stringify(record)}\n`);
}
