import type { Kysely } from 'kysely';
import { TouchlineError } from '#contracts/errors.ts';
import { type BlobStore, hashOf, type StoredFile } from '#ports/blobs/blobs.ts';
import type { IngestTables } from './tables.ts';

/** SHA-256 of stored files, each file read at most once. */
export interface Hashes {
  /** Reads the file when it is not known, or was replaced since. Rejects with `not_found`. */
  of(name: string): Promise<StoredFile & { readonly sha256: string }>;
  /** What was just stored under a name has this hash. */
  note(name: string, sha256: string): Promise<void>;
}

export function createHashes(parts: { db: () => Kysely<IngestTables>; store: BlobStore }): Hashes {
  const { db, store } = parts;
  const underWay = new Map<string, Promise<string>>();

  const found = async (name: string): Promise<StoredFile> => {
    const file = await store.find(name);
    if (!file) throw new TouchlineError('not_found', `there is no ${name}`);
    return file;
  };
  const note = async (name: string, sha256: string, file: StoredFile): Promise<void> => {
    const row = { size_bytes: file.sizeBytes, modified_ms: file.modifiedMs, sha256 };
    await db()
      .insertInto('file_hash')
      .values({ name, ...row })
      .onConflict((conflict) => conflict.column('name').doUpdateSet(row))
      .execute();
  };
  const read = async (name: string, file: StoredFile): Promise<string> => {
    const { sha256 } = await hashOf(store, name);
    // A file that was replaced while it was read keeps no hash; the next question reads it again.
    const after = await found(name);
    if (after.modifiedMs === file.modifiedMs && after.sizeBytes === file.sizeBytes)
      await note(name, sha256, file);
    return sha256;
  };

  return {
    note: async (name, sha256) => note(name, sha256, await found(name)),
    async of(name) {
      const file = await found(name);
      const row = await db().selectFrom('file_hash').selectAll().where('name', '=', name).executeTakeFirst();
      if (row && Number(row.size_bytes) === file.sizeBytes && row.modified_ms === file.modifiedMs)
        return { ...file, sha256: row.sha256 };
      const key = `${name} ${file.modifiedMs}`;
      const reading = underWay.get(key) ?? read(name, file).finally(() => underWay.delete(key));
      underWay.set(key, reading);
      return { ...file, sha256: await reading };
    },
  };
}
