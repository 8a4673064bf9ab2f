import type { Kysely } from 'kysely';
import { ulid } from 'ulid';
import { StoredSession } from '#contracts/http-central.ts';
import { CameraId, SessionId } from '#contracts/ids.ts';
import { centralLayout } from '#contracts/layout.ts';
import { Manifest } from '#contracts/manifest.ts';
import { type BlobStore, hashOf, readText } from '#ports/blobs/blobs.ts';
import type { Logger } from '#runtime/logger.ts';
import type { IngestTables, SessionRow } from './tables.ts';

/** `db` may be a transaction. */
export interface HealParts {
  readonly db: Kysely<IngestTables>;
  readonly store: BlobStore;
  readonly log: Logger;
}

const VIDEO = /^recording(?:\.p(\d+))?\.mp4$/;

/**
 * Brings the catalogue up to what the session folders hold: after a crash between the last rename and the commit,
 * and after the database was lost. Each file that is unknown is hashed. Returns how many were added.
 */
export async function healAll(parts: HealParts): Promise<number> {
  const folders = new Set<string>();
  for (const name of await parts.store.list(centralLayout.sessions)) {
    const folder = name.split('/')[1];
    if (folder !== undefined) folders.add(folder);
  }
  let added = 0;
  for (const folder of folders) added += await healFolder(parts, folder);
  return added;
}

export async function healFolder(parts: HealParts, folder: string): Promise<number> {
  const { db, store, log } = parts;
  const names = await store.list(`${centralLayout.sessions}/${folder}`);
  const videos = names.flatMap((name) => {
    const [, , camera, file = ''] = name.split('/');
    const match = VIDEO.exec(file);
    const cameraId = CameraId.safeParse(camera);
    return match && cameraId.success ? [{ name, cameraId: cameraId.data, part: Number(match[1] ?? 1) }] : [];
  });
  if (videos.length === 0) return 0;
  const found = await db.selectFrom('session').selectAll().where('folder', '=', folder).executeTakeFirst();
  const known = found
    ? await db
        .selectFrom('recording')
        .select(['camera_id', 'part'])
        .where('session_uid', '=', found.session_uid)
        .execute()
    : [];
  const unknown = videos.filter(
    ({ cameraId, part }) => !known.some((row) => row.camera_id === cameraId && row.part === part),
  );
  if (unknown.length === 0) return 0;
  const session = found ?? (await addSession(parts, folder));
  if (!session) return 0;

  let added = 0;
  for (const { name, cameraId, part } of unknown) {
    const { sha256, sizeBytes } = await hashOf(store, name);
    const manifest = await manifestOf(parts, centralLayout.manifest(folder, cameraId, part));
    if (manifest && manifest.checksum.value !== sha256) {
      log.error({ name, sha256 }, 'a file without an entry is not the one its manifest describes; left out');
      continue;
    }
    await db
      .insertInto('recording')
      .values({
        session_uid: session.session_uid,
        camera_id: cameraId,
        part,
        size_bytes: sizeBytes,
        sha256,
        manifest: manifest ? JSON.stringify(manifest) : null,
      })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    log.warn({ name }, 'a file was there that the catalogue did not know; added');
    added += 1;
  }
  return added;
}

async function addSession({ db, store, log }: HealParts, folder: string): Promise<SessionRow | undefined> {
  const name = centralLayout.sessionRecord(folder);
  const stored = (await store.find(name)) ? jsonOr(await readText(store, name)) : undefined;
  const record = StoredSession.safeParse(stored);
  const sessionId = SessionId.safeParse(folder.split('~')[0]);
  if (!record.success && !sessionId.success) {
    log.error({ folder }, 'a folder among the sessions is none; left alone');
    return undefined;
  }
  const session = record.success
    ? {
        session_uid: record.data.session_uid,
        session_id: record.data.session_id,
        origin_uid: record.data.origin_uid,
        folder,
        created_at: new Date(record.data.created_at),
      }
    : { session_uid: ulid(), session_id: sessionId.data ?? folder, origin_uid: null, folder };
  return db.insertInto('session').values(session).returningAll().executeTakeFirstOrThrow();
}

async function manifestOf({ store, log }: HealParts, name: string): Promise<Manifest | undefined> {
  if (!(await store.find(name))) return undefined;
  const parsed = Manifest.safeParse(jsonOr(await readText(store, name)));
  if (parsed.success) return parsed.data;
  log.error({ name }, 'a stored manifest cannot be read');
  return undefined;
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The schema says that it is nothing; both callers report that.
    return undefined;
  }
}
