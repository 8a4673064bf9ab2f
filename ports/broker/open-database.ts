import { mkdir } from 'node:fs/promises';
import { ClassicLevel } from 'classic-level';
import { TouchlineError } from '#contracts/errors.ts';

/** Opens the database below `path`. Throws `conflict` when another process has it, `disk_failed` otherwise. */
export async function openDatabase(path: string): Promise<ClassicLevel<string, Buffer>> {
  try {
    await mkdir(path, { recursive: true });
    const db = new ClassicLevel<string, Buffer>(path, { valueEncoding: 'buffer' });
    await db.open();
    return db;
  } catch (error) {
    const cause = (error as { cause?: { code?: string } }).cause;
    if (cause?.code === 'LEVEL_LOCKED')
      throw new TouchlineError('conflict', `another broker already uses ${path}; stop it first`, {
        cause: error,
      });
    throw new TouchlineError('disk_failed', `the broker cannot keep its messages in ${path}`, {
      cause: error,
    });
  }
}
