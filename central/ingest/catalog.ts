import { sql } from 'kysely';
import { TouchlineError } from '#contracts/errors.ts';
import { type ConfirmRequest, ConfirmResult, type VideoFacts } from '#contracts/http-central.ts';
import { centralLayout } from '#contracts/layout.ts';
import type { RigSession } from '#contracts/session.ts';
import { type BlobStore, hashOf } from '#ports/blobs/blobs.ts';
import type { Database } from '#ports/database/database.ts';
import type { Logger } from '#runtime/logger.ts';
import { type CatalogSession, describeSession } from './describe.ts';
import { type IngestTables, type RecordingRow, SESSION_CHANNEL, type SessionRow } from './tables.ts';

export interface Catalog {
  /** Newest first. */
  sessions(): Promise<CatalogSession[]>;
  /** Rejects with `not_found`. */
  session(sessionUid: string): Promise<CatalogSession>;
  /** Rejects with `not_found` for a recording that was never received or is gone. */
  confirm(request: ConfirmRequest): Promise<ConfirmResult>;
  /** Keeps what a recording showed when all of it was read. */
  noteFacts(of: Pick<RecordingRow, 'session_uid' | 'camera_id' | 'part'>, facts: VideoFacts): Promise<void>;
  /** Calls with the uid of each session soon after it changed in any process, and with `missed` when changes may be lost. */
  watch(onChange: (sessionUid: string | 'missed') => void): () => Promise<void>;
  /** Keeps the newest record of a session that a rig publishes. */
  noteRigSession(record: RigSession): Promise<void>;
}

export interface CatalogParts {
  readonly database: Pick<Database, 'handle' | 'listen'>;
  readonly store: BlobStore;
  readonly log: Logger;
}

export function createCatalog({ database, store, log }: CatalogParts): Catalog {
  const db = () => database.handle<IngestTables>();
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
      sessions.map((session) =>
        describeSession(
          store,
          session,
          recordings.filter((row) => row.session_uid === session.session_uid),
          records.find((row) => row.session_uid === (session.origin_uid ?? session.session_uid))?.record,
        ),
      ),
    );
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
    async noteFacts(of, facts) {
      await db()
        .updateTable('recording')
        .set({ facts: JSON.stringify(facts) })
        .where('session_uid', '=', of.session_uid)
        .where('camera_id', '=', of.camera_id)
        .where('part', '=', of.part)
        .execute();
    },
    watch: (onChange) =>
      database.listen(SESSION_CHANNEL, { notice: onChange, missed: () => onChange('missed') }),
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
