import { type ColumnType, type Generated, type Selectable, sql, type Transaction } from 'kysely';
import type { WireError } from '#contracts/errors.ts';
import { Job } from '#contracts/http-central.ts';
import { toWireTime } from '#contracts/time.ts';
import type { JobKind, JobOf } from './jobs.ts';

type Json<T> = ColumnType<T, string, string>;

export interface JobTables {
  job: {
    job_id: string;
    kind: JobKind;
    session_uid: string;
    subject: Generated<string>;
    settings: Json<Job['settings']>;
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

/** Channel of `pg_notify` that carries the id of each job that changed. */
export const JOB_CHANNEL = 'touchline_job';

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
  {
    name: '011-job-subject-and-settings',
    async up(transaction: Transaction<unknown>): Promise<void> {
      await sql`alter table job add column subject text not null default '',
        add column settings jsonb not null default '{}'`.execute(transaction);
      await sql`create index job_of_subject on job (kind, session_uid, subject)`.execute(transaction);
      await sql`create function touchline_job_changed() returns trigger language plpgsql as $$
        begin
          perform pg_notify('${sql.raw(JOB_CHANNEL)}', new.job_id);
          return null;
        end $$`.execute(transaction);
      await sql`create trigger job_changed after insert or update on job
        for each row execute function touchline_job_changed()`.execute(transaction);
    },
  },
];

const wire = (date: Date | null): string | null => (date === null ? null : toWireTime(date.getTime() * 1000));

/** What a panorama of the version before, which knew no calibration, says in today's words. */
function inTodaysWords(row: JobRow): unknown {
  const { kind, result } = row;
  if (kind !== 'panorama' || result === null || !('frames' in result) || 'calibration' in result)
    return result;
  return {
    ...result,
    fps: result.duration_sec > 0 ? Math.round(result.frames / result.duration_sec) : 0,
    segments: 1,
    calibration: null,
    calibration_origin: null,
    calibration_reason: {
      code: 'not_wanted',
      message: 'made by a version of Touchline without calibration',
      usable: [],
    },
    exposure: [],
    seams: [],
  };
}

/** Settings and result may be those of the version before: they are completed. */
export function toJob<K extends JobKind = JobKind>(row: JobRow & { kind: K }): JobOf<K> {
  return Job.parse({
    job_id: row.job_id,
    kind: row.kind,
    session_uid: row.session_uid,
    subject: row.subject,
    settings: row.settings,
    state: row.state,
    progress: row.progress,
    speed: row.speed,
    remaining_sec: row.remaining_sec,
    attempt: row.attempt,
    created_at: wire(row.created_at),
    started_at: wire(row.started_at),
    finished_at: wire(row.finished_at),
    result: inTodaysWords(row),
    error: row.error,
    log: row.log,
  }) as JobOf<K>;
}
