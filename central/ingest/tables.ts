import { type ColumnType, type Generated, type Selectable, sql, type Transaction } from 'kysely';
import type { VideoFacts } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';
import type { RigSession } from '#contracts/session.ts';

type Json<T> = ColumnType<T, string, string>;
/** `bigint` comes back as text from the driver. */
type Big = ColumnType<string, number, number>;

export interface IngestTables {
  session: {
    session_uid: string;
    session_id: string;
    folder: string;
    origin_uid: string | null;
    created_at: Generated<Date>;
  };
  recording: {
    session_uid: string;
    camera_id: string;
    part: number;
    size_bytes: Big;
    sha256: string;
    manifest: Json<Manifest | null> | null;
    received_at: Generated<Date>;
    /** What the file showed when its proxy was made. */
    facts: Json<VideoFacts> | null;
  };
  /** The last record of each session that a rig published. */
  rig_session: { session_uid: string; revision: number; record: Json<RigSession> };
  /** Of files that are not recordings, as long as size and time are the same. */
  file_hash: { name: string; size_bytes: Big; modified_ms: number; sha256: string };
}

/** Channel of `pg_notify` that carries the uid of each session of which something changed. */
export const SESSION_CHANNEL = 'touchline_session';

export type SessionRow = Selectable<IngestTables['session']>;
export type RecordingRow = Selectable<IngestTables['recording']>;

/** The tables of the catalogue, for the migrations of the database. */
export const ingestMigrations = [
  {
    name: '020-ingest',
    async up(transaction: Transaction<unknown>): Promise<void> {
      await sql`create table session (
        session_uid text primary key,
        session_id text not null,
        folder text not null unique,
        origin_uid text,
        created_at timestamptz not null default clock_timestamp()
      )`.execute(transaction);
      await sql`create index session_name on session (session_id)`.execute(transaction);
      await sql`create index session_origin on session (origin_uid)`.execute(transaction);
      await sql`create table recording (
        session_uid text not null references session,
        camera_id text not null,
        part integer not null,
        size_bytes bigint not null,
        sha256 text not null,
        manifest jsonb,
        received_at timestamptz not null default clock_timestamp(),
        primary key (session_uid, camera_id, part)
      )`.execute(transaction);
      await sql`create table rig_session (
        session_uid text primary key, revision integer not null, record jsonb not null)`.execute(transaction);
    },
  },
  {
    name: '021-facts-and-notices',
    async up(transaction: Transaction<unknown>): Promise<void> {
      await sql`alter table recording add column facts jsonb`.execute(transaction);
      await sql`create table file_hash (
        name text primary key,
        size_bytes bigint not null,
        modified_ms double precision not null,
        sha256 text not null
      )`.execute(transaction);
      await sql`create function touchline_session_changed() returns trigger language plpgsql as $$
        begin
          perform pg_notify('${sql.raw(SESSION_CHANNEL)}', new.session_uid);
          return null;
        end $$`.execute(transaction);
      for (const table of ['session', 'recording', 'rig_session'])
        await sql`create trigger session_changed after insert or update on ${sql.table(table)}
          for each row execute function touchline_session_changed()`.execute(transaction);
    },
  },
];
