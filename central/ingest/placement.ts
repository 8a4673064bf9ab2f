import type { Transaction } from 'kysely';
import { ulid } from 'ulid';
import { sessionFolder } from '#contracts/layout.ts';
import type { IngestTables, SessionRow } from './tables.ts';

/** Which recording arrived, as far as that decides where it belongs. */
export interface Arrival {
  readonly sessionId: string;
  /** Undefined from a simple client that knows names only. */
  readonly sessionUid: string | undefined;
  readonly cameraId: string;
  readonly part: number;
  readonly sha256: string;
}

export type NewSession = Omit<SessionRow, 'created_at'>;

export type Placement =
  /** The catalogue has exactly this recording. */
  | { readonly kind: 'same'; readonly session: SessionRow }
  /** It fills a free place of a session that is there. */
  | { readonly kind: 'free'; readonly session: SessionRow }
  | { readonly kind: 'new-session'; readonly session: NewSession };

/**
 * Where an arriving recording belongs. A recording is never put over another one: when the name, or the place in the
 * session, belongs to other bytes, it gets a session of its own beside it.
 * A session is recognised by its uid; without one by its name, the newest first.
 */
export async function placeOf(transaction: Transaction<IngestTables>, arrival: Arrival): Promise<Placement> {
  const { sessionId, sessionUid: uid } = arrival;
  const known = await transaction
    .selectFrom('session')
    .selectAll()
    .where((where) =>
      uid === undefined
        ? where('session_id', '=', sessionId)
        : where.or([where('session_uid', '=', uid), where('origin_uid', '=', uid)]),
    )
    .orderBy('created_at', 'desc')
    .execute();
  // The session itself before those that were kept beside it.
  const candidates =
    uid === undefined
      ? known
      : [...known].sort((a, b) => Number(b.session_uid === uid) - Number(a.session_uid === uid));
  const taken =
    candidates.length === 0
      ? []
      : await transaction
          .selectFrom('recording')
          .select(['session_uid', 'sha256'])
          .where('camera_id', '=', arrival.cameraId)
          .where('part', '=', arrival.part)
          .where(
            'session_uid',
            'in',
            candidates.map((session) => session.session_uid),
          )
          .execute();
  const placed = new Map(taken.map((row) => [row.session_uid, row.sha256]));

  const same = candidates.find((session) => placed.get(session.session_uid) === arrival.sha256);
  if (same) return { kind: 'same', session: same };
  const free = candidates.find((session) => !placed.has(session.session_uid));
  if (free) return { kind: 'free', session: free };

  const uidTaken = candidates.some((session) => session.session_uid === uid);
  const newUid = uid === undefined || uidTaken ? ulid() : uid;
  const sameFolder = await transaction
    .selectFrom('session')
    .select('session_uid')
    .where('folder', '=', sessionId)
    .executeTakeFirst();
  return {
    kind: 'new-session',
    session: {
      session_uid: newUid,
      session_id: sessionId,
      folder: sessionFolder(sessionId, newUid, sameFolder !== undefined),
      origin_uid: uidTaken ? (uid ?? null) : null,
    },
  };
}
