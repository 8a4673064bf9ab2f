import { isDeepStrictEqual } from 'node:util';
import { type Kysely, sql, type Transaction } from 'kysely';
import { StoredSession, type UploadFields, type UploadResult } from '#contracts/http-central.ts';
import { recordingId } from '#contracts/ids.ts';
import { centralLayout } from '#contracts/layout.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import { type BlobStore, type Draft, hashOf, putText } from '#ports/blobs/blobs.ts';
import type { Logger } from '#runtime/logger.ts';
import { healFolder } from './heal.ts';
import { type NewSession, placeOf } from './placement.ts';
import type { IngestTables } from './tables.ts';

/** A verified upload: the draft has the checksum that was announced, and the manifest fits it. */
export interface Verified {
  readonly fields: UploadFields;
  /** Announced with the upload or in the manifest. */
  readonly sessionUid: string | undefined;
  readonly draft: Draft;
  readonly manifest: { readonly text: string; readonly value: Manifest } | undefined;
}

export interface KeepParts {
  readonly db: Kysely<IngestTables>;
  readonly store: BlobStore;
  readonly log: Logger;
}

/**
 * Gives a verified upload its place, in an order that a crash cannot hurt: whose folder it is, the manifest, the
 * video, and last the catalogue, which is healed from the files. One name at a time.
 */
export function keep(parts: KeepParts, upload: Verified): Promise<UploadResult> {
  return parts.db.transaction().execute(async (transaction) => {
    await sql`select pg_advisory_xact_lock(hashtext(${`session/${upload.fields.session_id}`}))`.execute(
      transaction,
    );
    const result = await place(parts, transaction, upload);
    if (result !== 'healed') return result;
    // A file was there that the catalogue did not know: with it known, the place is another.
    const again = await place(parts, transaction, upload);
    if (again === 'healed') throw new Error('the catalogue and the folders disagree for ever');
    return again;
  });
}

async function place(
  parts: KeepParts,
  transaction: Transaction<IngestTables>,
  upload: Verified,
): Promise<UploadResult | 'healed'> {
  const { store } = parts;
  const { fields, draft, manifest } = upload;
  const { camera_id: cameraId, part } = fields;
  const placement = await placeOf(transaction, {
    sessionId: fields.session_id,
    sessionUid: upload.sessionUid,
    cameraId,
    part,
    sha256: draft.sha256,
  });
  const { session } = placement;
  const video = centralLayout.video(session.folder, cameraId, part);
  const result = (alreadyThere: boolean): UploadResult => ({
    success: true,
    recording_id: recordingId(fields.session_id, cameraId),
    file_size: draft.sizeBytes,
    checksum_verified: true,
    session_uid: session.session_uid,
    stored_as: session.folder,
    already_there: alreadyThere,
    renamed: session.folder !== fields.session_id,
  });

  if (placement.kind === 'same') {
    const good = await storedCopyIsGood(store, video, draft.sha256);
    if (good) await draft.discard();
    else {
      parts.log.error({ video }, 'the stored copy is damaged; replaced by what was just received');
      await draft.commit(video);
    }
    if (manifest) await addManifest(parts, transaction, upload, session.session_uid, session.folder);
    await addTimeline(store, session.folder, fields);
    await addMarks(store, session.folder, fields);
    return result(good);
  }

  if (await store.find(video)) {
    const healed = await healFolder({ ...parts, db: transaction }, session.folder);
    if (healed > 0) return 'healed';
  }
  if (placement.kind === 'new-session') await openSession(store, transaction, session);
  if (manifest) await putText(store, centralLayout.manifest(session.folder, cameraId, part), manifest.text);
  await addTimeline(store, session.folder, fields);
  await addMarks(store, session.folder, fields);
  await draft.commit(video);
  await transaction
    .insertInto('recording')
    .values({
      session_uid: session.session_uid,
      camera_id: cameraId,
      part,
      size_bytes: draft.sizeBytes,
      sha256: draft.sha256,
      manifest: manifest ? JSON.stringify(manifest.value) : null,
    })
    .execute();
  return result(false);
}

async function openSession(
  store: BlobStore,
  transaction: Transaction<IngestTables>,
  session: NewSession,
): Promise<void> {
  const row = await transaction
    .insertInto('session')
    .values(session)
    .returningAll()
    .executeTakeFirstOrThrow();
  const record: StoredSession = StoredSession.parse({
    v: 1,
    session_uid: row.session_uid,
    session_id: row.session_id,
    origin_uid: row.origin_uid,
    created_at: toWireTime(row.created_at.getTime() * 1000),
  });
  await putText(store, centralLayout.sessionRecord(row.folder), `${JSON.stringify(record, null, 2)}\n`);
}

/** What the clocks said; the first that comes stays. */
async function addTimeline(
  store: BlobStore,
  folder: string,
  { session_id, camera_id, part, timeline }: UploadFields,
): Promise<void> {
  const name = centralLayout.timeline(folder, session_id, camera_id, part);
  if (timeline === undefined || (await store.find(name))) return;
  // A form's text may arrive with the line ends of RFC 7578, section 4.6.
  await putText(store, name, timeline.replaceAll('\r\n', '\n'));
}

/** The moments of a session come with each of its parts, and only become more: the longest stays. */
async function addMarks(store: BlobStore, folder: string, { camera_id, marks }: UploadFields): Promise<void> {
  if (marks === undefined) return;
  const name = centralLayout.marks(folder, camera_id);
  const text = marks.replaceAll('\r\n', '\n');
  const before = await store.find(name);
  if (before && before.sizeBytes >= Buffer.byteLength(text)) return;
  await putText(store, name, text);
}

async function storedCopyIsGood(store: BlobStore, video: string, sha256: string): Promise<boolean> {
  if (!(await store.find(video))) return false;
  return (await hashOf(store, video)).sha256 === sha256;
}

/**
 * A manifest that comes with a repeated upload fills the gap when the first one had none, and takes its place when it
 * says what could not be known then.
 */
async function addManifest(
  { store }: KeepParts,
  transaction: Transaction<IngestTables>,
  { fields, manifest }: Verified,
  sessionUid: string,
  folder: string,
): Promise<void> {
  if (!manifest) return;
  const name = centralLayout.manifest(folder, fields.camera_id, fields.part);
  const { manifest: before } = await transaction
    .selectFrom('recording')
    .select('manifest')
    .where('session_uid', '=', sessionUid)
    .where('camera_id', '=', fields.camera_id)
    .where('part', '=', fields.part)
    .executeTakeFirstOrThrow();
  if (before !== null && !saysMore(before, manifest.value)) return;
  await putText(store, name, manifest.text);
  await transaction
    .updateTable('recording')
    .set({ manifest: JSON.stringify(manifest.value) })
    .where('session_uid', '=', sessionUid)
    .where('camera_id', '=', fields.camera_id)
    .where('part', '=', fields.part)
    .execute();
}

/** Whether a manifest tells of the same file that it is the last, or other gaps. What is known as the last stays so. */
function saysMore(before: Manifest, now: Manifest): boolean {
  const [old, young] = [before.touchline, now.touchline];
  if (!old || !young) return false;
  const same =
    old.session_uid === young.session_uid &&
    old.part === young.part &&
    before.checksum.value === now.checksum.value;
  if (!same || (old.final && !young.final)) return false;
  return old.final !== young.final || !isDeepStrictEqual(old.gaps, young.gaps);
}
