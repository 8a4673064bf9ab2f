import { type ColumnType, type Generated, type Selectable, sql, type Transaction } from 'kysely';
import type { WireError } from '#contracts/errors.ts';
import type { Job } from '#contracts/http-central.ts';
import { toWireTime } from '#contracts/time.ts';

type Json<T> = ColumnType<T, string, string>;

export interface JobTables {
  job: {
    job_id: string;
    kind: Job['kind'];
    session_uid: string;
    state: Job['state'];
    progress: Generated<number>;
    speed: number | null;
    remaining_sec: number | null;
    attempt: Generated<number>;
    created_at: Generated<Date>;
    started_at: Date | null;
    finished_at: Date | null;
    result: Json<Job['result']> | null;
    error: Json<WireError> | null;
    log: ColumnType<string[], string | undefined, string>;
    worker: string | null;
    heartbeat_at: Date | null;
    cancel_requested: Generated<boolean>;
  };
  job_worker: { worker: string; seen_at: Date };
}

export type JobRow = Selectable<JobTables['job']>;

/** The tables of the queue, for the migrations of the database. */
export const jobMigrations = [
  {
    name: '010-jobs',
    async up(transaction: Transaction<unknown>): Promise<void> {
      await sql`create table job (
        job_id text primary key,
        kind text not null,
        session_uid text not null,
        state text not null check (state in ('queued', 'running', 'done', 'failed', 'cancelled')),
        progress double precision not null default 0,
        speed double precision,
        remaining_sec double precision,
        attempt integer not null default 0,
        created_at timestamptz not null default clock_timestamp(),
        started_at timestamptz,
        finished_at timestamptz,
        result jsonb,
        error jsonb,
        log jsonb not null default '[]',
        worker text,
        heartbeat_at timestamptz,
        cancel_requested boolean not null default false
      )`.execute(transaction);
      await sql`create index job_session on job (session_uid, created_at)`.execute(transaction);
      await sql`create index job_open on job (state) where state in ('queued', 'running')`.execute(
        transaction,
      );
      await sql`create table job_worker (worker text primary key, seen_at timestamptz not null)`.execute(
        transaction,
      );
    },
  },
];

const wire = (date: Date | null): string | null => (date === null ? null : toWireTime(date.getTime() * 1000));

export function toJob(row: JobRow): Job {
  return {
    job_id: row.job_id,
    kind: row.kind,
    session_uid: row.session_uid,
    state: row.state,
    progress: row.progress,
    speed: row.speed,
    remaining_sec: row.remaining_sec,
    attempt: row.attempt,
    created_at: toWireTime(row.created_at.getTime() * 1000),
    started_at: wire(row.started_at),
    finished_at: wire(row.finished_at),
    result: row.result,
    error: row.error,
    log: row.log,
  };
}
