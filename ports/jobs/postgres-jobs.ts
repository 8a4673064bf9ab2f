import { randomUUID } from 'node:crypto';
import { type Kysely, sql, type Transaction } from 'kysely';
import { fromKysely, PgBoss } from 'pg-boss';
import type { Logger } from 'pino';
import { TouchlineError } from '#contracts/errors.ts';
import type { Database } from '#ports/database/database.ts';
import {
  JOB_TIMING,
  type JobKind,
  type JobQueue,
  type JobRun,
  type JobTiming,
  LIST_LIMIT,
  LIST_LOG_LINES,
  MAX_ATTEMPTS,
} from './jobs.ts';
import { pause } from './pause.ts';
import { alreadyEnded, busyWith, workersDied } from './refusals.ts';
import { runClaimed } from './run-claimed.ts';
import { JOB_CHANNEL, type JobRow, type JobTables, toJob } from './tables.ts';

export interface PostgresJobsOptions {
  /** Started before the queue, with `jobMigrations`. */
  readonly database: Pick<Database, 'handle' | 'listen'>;
  readonly log: Logger;
  readonly timing?: JobTiming;
}

const KINDS: readonly JobKind[] = ['panorama', 'proxy'];
/** pg-boss allows at most a day; whether a job is alive is told by our own heartbeat. */
const BOSS_EXPIRE_SEC = 23 * 3600;
const BOSS_RETRIES = 1000;
/** Any number that nobody else of this database uses. */
const SCHEMA_LOCK = 7_241_002;

type Db = Kysely<JobTables> | Transaction<JobTables>;

/**
 * The queue on PostgreSQL. Our `job` table is the truth; pg-boss hands out ids, first come first served, to one
 * worker each. Both change in the same transaction.
 */
export function postgresJobs({ database, log, timing = JOB_TIMING }: PostgresJobsOptions): JobQueue {
  const db = () => database.handle<JobTables>();
  /** One name for all loops of this process. */
  const worker = randomUUID();
  /** Jobs that run in this process. */
  const underWay = new Set<string>();
  let loops = 0;
  let boss: PgBoss | undefined;
  const started = (): PgBoss => {
    if (!boss) throw new TouchlineError('internal', 'the job queue is used before it was started');
    return boss;
  };
  const inside = <T>(work: (transaction: Transaction<JobTables>) => Promise<T>): Promise<T> =>
    db().transaction().execute(work);
  // A database that was away took the reports of everybody with it: all get as long again to report.
  const stale = sql<boolean>`heartbeat_at < clock_timestamp() - ${timing.staleMs} * interval '1 millisecond'
    and pg_postmaster_start_time() < clock_timestamp() - ${timing.staleMs} * interval '1 millisecond'`;

  const rowOf = async (from: Db, jobId: string): Promise<JobRow> => {
    const row = await from
      .selectFrom('job')
      .selectAll()
      .where('job_id', '=', jobId)
      .forUpdate()
      .executeTakeFirst();
    if (!row) throw new TouchlineError('not_found', `there is no job ${jobId}`);
    return row;
  };

  /** Without all lines of log but the last: they are most of a row. */
  const inShort = () =>
    db()
      .selectFrom('job')
      .selectAll()
      .select(
        sql<string[]>`jsonb_path_query_array(log, ${`$[last - ${LIST_LOG_LINES - 1} to last]`})`.as('log'),
      );

  /** Jobs whose worker is silent go back to the queue, or end when that happened too often. */
  const reap = (): Promise<void> =>
    inside(async (transaction) => {
      const rows = await transaction
        .selectFrom('job')
        .selectAll()
        .where('state', '=', 'running')
        // What runs in this process is not silent; a job that was claimed for it without its knowing is.
        .$if(underWay.size > 0, (query) => query.where('job_id', 'not in', [...underWay]))
        .where(stale)
        .forUpdate()
        .skipLocked()
        .execute();
      for (const row of rows) {
        const over = row.cancel_requested ? 'cancelled' : row.attempt >= MAX_ATTEMPTS ? 'failed' : undefined;
        log.warn(
          { job: row.job_id, worker: row.worker, attempt: row.attempt },
          'the worker of a job is silent',
        );
        await transaction
          .updateTable('job')
          .set({
            state: over ?? 'queued',
            worker: null,
            ...(over ? { finished_at: sql<Date>`clock_timestamp()` } : {}),
            ...(over === 'failed' ? { error: JSON.stringify(workersDied(row.attempt).toWire()) } : {}),
          })
          .where('job_id', '=', row.job_id)
          .execute();
        const options = { db: fromKysely(transaction) };
        if (over) await started().cancel(row.kind, row.job_id, options);
        else await started().fail(row.kind, row.job_id, { reason: 'the worker is silent' }, options);
      }
    });

  const claim = <K extends JobKind>(kind: K): Promise<(JobRow & { kind: K }) | undefined> =>
    inside(async (transaction) => {
      const options = { db: fromKysely(transaction) };
      const [next] = await started().fetch(kind, { batchSize: 1, ...options });
      if (!next) return undefined;
      const row = await transaction
        .updateTable('job')
        .set({
          state: 'running',
          worker,
          heartbeat_at: sql<Date>`clock_timestamp()`,
          started_at: sql<Date>`coalesce(started_at, clock_timestamp())`,
          attempt: sql<number>`attempt + 1`,
          progress: 0,
          speed: null,
          remaining_sec: null,
        })
        .where('job_id', '=', next.id)
        .where('state', '=', 'queued')
        .returningAll()
        .executeTakeFirst();
      // Ended in the meantime; one that still runs elsewhere is completed there.
      if (!row) {
        const { state } = await rowOf(transaction, next.id);
        if (state !== 'running') await started().complete(kind, next.id, null, options);
      }
      return row as (JobRow & { kind: K }) | undefined;
    });

  const seen = async (): Promise<void> => {
    await db()
      .insertInto('job_worker')
      .values({ worker, seen_at: sql<Date>`clock_timestamp()` as never })
      .onConflict((conflict) =>
        conflict.column('worker').doUpdateSet({ seen_at: sql<Date>`clock_timestamp()` }),
      )
      .execute();
  };

  const work = async <K extends JobKind>(kind: K, run: JobRun<K>, signal: AbortSignal): Promise<void> => {
    loops += 1;
    let away = false;
    try {
      while (!signal.aborted) {
        try {
          await seen();
          await reap();
          const row = await claim(kind);
          if (away) log.info({ kind }, 'the job queue can be read again');
          away = false;
          if (row) {
            underWay.add(row.job_id);
            try {
              await runClaimed({ db: db(), boss: started(), row, worker, run, signal, timing, log, seen });
            } finally {
              underWay.delete(row.job_id);
            }
            continue;
          }
        } catch (error) {
          // A worker outlives a database that is away for a while.
          if (!away)
            log.error({ err: error, kind }, 'the job queue cannot be read; trying again until it can');
          away = true;
        }
        await pause(timing.pollMs, signal);
      }
    } finally {
      loops -= 1;
    }
    if (loops === 0) await db().deleteFrom('job_worker').where('worker', '=', worker).execute();
  };

  return {
    work,
    async start() {
      const queue = new PgBoss({ db: fromKysely(db()), schedule: false });
      queue.on('error', (error) => log.warn({ err: error }, 'pg-boss reports an error'));
      // Server and workers start at the same moment, and pg-boss makes its schema without a lock.
      await db()
        .connection()
        .execute(async (connection) => {
          await sql`select pg_advisory_lock(${SCHEMA_LOCK})`.execute(connection);
          try {
            await queue.start();
            for (const kind of KINDS)
              await queue.createQueue(kind, { retryLimit: BOSS_RETRIES, expireInSeconds: BOSS_EXPIRE_SEC });
          } finally {
            await sql`select pg_advisory_unlock(${SCHEMA_LOCK})`.execute(connection);
          }
        });
      boss = queue;
    },
    async stop() {
      await boss?.stop({ graceful: true, timeout: 2000 });
      boss = undefined;
    },
    enqueue: ({ kind, session_uid: sessionUid, subject, settings }, whenBusy) =>
      inside(async (transaction) => {
        const lock = `${kind}/${sessionUid}/${subject}`;
        await sql`select pg_advisory_xact_lock(hashtext(${lock}))`.execute(transaction);
        const open = await transaction
          .selectFrom('job')
          .selectAll()
          .where('kind', '=', kind)
          .where('session_uid', '=', sessionUid)
          .where('subject', '=', subject)
          .where('state', 'in', ['queued', 'running'])
          .orderBy('created_at', 'desc')
          .execute();
        const [busy] = open;
        if (busy && whenBusy === 'refuse') throw busyWith(busy.job_id, busy.state);
        const waiting = open.find((row) => row.state === 'queued');
        if (waiting) return toJob(waiting);
        const row = await transaction
          .insertInto('job')
          .values({
            job_id: randomUUID(),
            kind,
            session_uid: sessionUid,
            subject,
            settings: JSON.stringify(settings),
            state: 'queued',
          })
          .returningAll()
          .executeTakeFirstOrThrow();
        await started().send(kind, {}, { id: row.job_id, db: fromKysely(transaction) });
        return toJob(row);
      }),
    async list({ sessionUid, limit = LIST_LIMIT } = {}) {
      let query = inShort().orderBy('created_at', 'desc').limit(limit);
      if (sessionUid !== undefined) query = query.where('session_uid', '=', sessionUid);
      return (await query.execute()).map(toJob);
    },
    get: async (jobId) => toJob(await rowOf(db(), jobId)),
    cancel: (jobId) =>
      inside(async (transaction) => {
        const row = await rowOf(transaction, jobId);
        if (row.state !== 'queued' && row.state !== 'running') throw alreadyEnded(jobId, row.state);
        if (row.state === 'queued') await started().cancel(row.kind, jobId, { db: fromKysely(transaction) });
        const changed = await transaction
          .updateTable('job')
          .set(
            row.state === 'queued'
              ? { state: 'cancelled', finished_at: sql<Date>`clock_timestamp()` }
              : { cancel_requested: true },
          )
          .where('job_id', '=', jobId)
          .returningAll()
          .executeTakeFirstOrThrow();
        return toJob(changed);
      }),
    async watch(onChange) {
      const changed = async (jobId: string): Promise<void> => {
        try {
          const row = await inShort().where('job_id', '=', jobId).executeTakeFirst();
          if (row) onChange(toJob(row));
        } catch (error) {
          log.info({ err: error, job: jobId }, 'a job changed that cannot be read now');
          onChange('missed');
        }
      };
      const pending = new Set<string>();
      let telling = Promise.resolve();
      const tell = async (): Promise<void> => {
        for (const jobId of pending) {
          pending.delete(jobId);
          await changed(jobId);
        }
      };
      const stop = database.listen(JOB_CHANNEL, {
        notice(jobId) {
          pending.add(jobId);
          // One after the other, so that an older state never comes last.
          telling = telling.then(tell);
        },
        missed: () => onChange('missed'),
      });
      return async () => {
        await stop();
        await telling;
      };
    },
    async workers() {
      const { rows } = await sql<{ n: number }>`select count(*)::int as n from job_worker
        where seen_at > clock_timestamp() - ${timing.staleMs} * interval '1 millisecond'`.execute(db());
      return rows[0]?.n ?? 0;
    },
  };
}
