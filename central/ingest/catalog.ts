import { type Kysely, sql } from 'kysely';
import { TouchlineError } from '#contracts/errors.ts';
import { type CentralRecording, type ConfirmRequest, ConfirmResult } from '#contracts/http-central.ts';
import { recordingId } from '#contracts/ids.ts';
import { centralLayout } from '#contracts/layout.ts';
import type { Manifest } from '#contracts/manifest.ts';
import type { RigSession } from '#contracts/session.ts';
import { toWireTime } from '#contracts/time.ts';
import { type BlobStore, hashOf } from '#ports/blobs/blobs.ts';
import type { Logger } from '#runtime/logger.ts';
import { expectedCameras, isComplete } from './complete.ts';
import type { IngestTables, RecordingRow, SessionRow } from './tables.ts';

/** A session as it is on the server, without its jobs. */
export interface CatalogSession {
  readonly session_uid: string;
  readonly session_id: string;
  readonly folder: string;
  readonly complete: boolean;
  readonly recordings: (CentralRecording & { readonly contents: Manifest | null })[];
}

export interface Catalog {
  /** Newest first. */
  sessions(): Promise<CatalogSession[]>;
  /** Rejects with `not_found`. */
  session(sessionUid: string): Promise<CatalogSession>;
  /** Rejects with `not_found` for a recording that was never received or is gone. */
  confirm(request: ConfirmRequest): Promise<ConfirmResult>;
  /** Keeps the newest record of a session that a rig publishes. */
  noteRigSession(record: RigSession): Promise<void>;
}

export interface CatalogParts {
  readonly db: () => Kysely<IngestTables>;
  readonly store: BlobStore;
  readonly log: Logger;
}

export function createCatalog({ db, store, log }: CatalogParts): Catalog {
  const describe = async (sessions: SessionRow[]): Promise<CatalogSession[]> => {
    if (sessions.length === 0) return [];
    const uids = sessions.map((session) => session.session_uid);
    const origins = sessions.flatMap((session) => session.origin_uid ?? []);
    const [recordings, records] = await Promise.all([
      db()
        .selectFrom('recording')
        .selectAll()
        .where('session_uid', 'in', uids)
        .orderBy('camera_id')
        .orderBy('part')
        .execute(),
      db()
        .selectFrom('rig_session')
        .selectAll()
        .where('session_uid', 'in', [...uids, ...origins])
        .execute(),
    ]);
    return Promise.all(
      sessions.map(async (session) => {
        const own = recordings.filter((row) => row.session_uid === session.session_uid);
        const record = records.find((row) => row.session_uid === (session.origin_uid ?? session.session_uid));
        return {
          session_uid: session.session_uid,
          session_id: session.session_id,
          folder: session.folder,
          complete: isComplete(
            expectedCameras(record?.record),
            own.map((row) => ({ cameraId: row.camera_id, part: row.part, final: finalOf(row.manifest) })),
          ),
          recordings: await Promise.all(own.map((row) => toRecording(session, row))),
        };
      }),
    );
  };

  const toRecording = async (
    session: SessionRow,
    row: RecordingRow,
  ): Promise<CatalogSession['recordings'][number]> => {
    const video = centralLayout.video(session.folder, row.camera_id, row.part);
    const manifest = centralLayout.manifest(session.folder, row.camera_id, row.part);
    return {
      recording_id: recordingId(session.session_id, row.camera_id),
      camera_id: row.camera_id,
      part: row.part,
      file: (await store.find(video))?.path ?? video,
      manifest: (await store.find(manifest))?.path ?? null,
      size_bytes: Number(row.size_bytes),
      sha256: row.sha256,
      received_at: toWireTime(row.received_at.getTime() * 1000),
      contents: row.manifest,
    };
  };

  return {
    sessions: async () =>
      describe(
        await db()
          .selectFrom('session')
          .selectAll()
          .orderBy('created_at', 'desc')
          .orderBy('session_uid', 'desc')
          .execute(),
      ),
    async session(sessionUid) {
      const row = await db()
        .selectFrom('session')
        .selectAll()
        .where('session_uid', '=', sessionUid)
        .executeTakeFirst();
      const [session] = row ? await describe([row]) : [];
      if (!session) throw new TouchlineError('not_found', `there is no session ${sessionUid}`);
      return session;
    },
    async confirm(request) {
      const { session_uid: uid, camera_id: cameraId, part } = request;
      const found = await db()
        .selectFrom('recording')
        .innerJoin('session', 'session.session_uid', 'recording.session_uid')
        .select(['session.session_uid', 'session.folder', 'recording.size_bytes', 'recording.sha256'])
        .where('session.session_id', '=', request.session_id)
        .where('recording.camera_id', '=', cameraId)
        .where('recording.part', '=', part)
        .$if(uid !== undefined, (query) => query.where('session.session_uid', '=', uid ?? ''))
        .orderBy('session.created_at', 'desc')
        .executeTakeFirst();
      const video = found && centralLayout.video(found.folder, cameraId, part);
      const stored = video && (await store.find(video));
      if (!found || !video || !stored)
        throw new TouchlineError(
          'not_found',
          `${found ? 'the file is gone' : 'there is no recording'}: ${request.session_id}, ${cameraId}, part ${part}`,
        );
      const deep = request.verify === 'deep' ? await hashOf(store, video) : undefined;
      if (deep && deep.sha256 !== found.sha256)
        log.error({ video, sha256: deep.sha256, expected: found.sha256 }, 'the stored copy is damaged');
      return ConfirmResult.parse({
        success: true,
        session_id: request.session_id,
        camera_id: cameraId,
        session_uid: found.session_uid,
        part,
        file_size: deep?.sizeBytes ?? stored.sizeBytes,
        checksum_sha256: deep?.sha256 ?? found.sha256,
      });
    },
    async noteRigSession(record) {
      await db()
        .insertInto('rig_session')
        .values({
          session_uid: record.session_uid,
          revision: record.revision,
          record: JSON.stringify(record),
        })
        .onConflict((conflict) =>
          conflict
            .column('session_uid')
            .doUpdateSet({ revision: record.revision, record: JSON.stringify(record) })
            .where(sql`rig_session.revision`, '<', record.revision),
        )
        .execute();
    },
  };
}

/** A manifest of another program knows no parts: its file is all there is. */
function finalOf(manifest: Manifest | null): boolean | null {
  if (manifest === null) return null;
  return manifest.touchline?.final ?? true;
}
