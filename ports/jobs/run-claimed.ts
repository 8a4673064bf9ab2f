import { type Kysely, sql } from 'kysely';
import { fromKysely, type PgBoss } from 'pg-boss';
import type { Logger } from 'pino';
import { TouchlineError } from '#contracts/errors.ts';
import type { Job } from '#contracts/http-central.ts';
import { type JobKind, type JobProgress, type JobRun, type JobTiming, LOG_LINES } from './jobs.ts';
import { pause } from './pause.ts';
import { type JobRow, type JobTables, toJob } from './tables.ts';

interface Claimed<K extends JobKind> {
  readonly db: Kysely<JobTables>;
  readonly boss: PgBoss;
  readonly row: JobRow & { kind: K };
  readonly worker: string;
  readonly run: JobRun<K>;
  readonly signal: AbortSignal;
  readonly timing: JobTiming;
  readonly log: Logger;
  readonly seen: () => Promise<void>;
}

type Outcome =
  | { state: 'done'; result: NonNullable<Job['result']> }
  | { state: 'failed'; error: TouchlineError }
  | { state: 'cancelled' }
  | { state: 'queued' };

/**
 * Runs a claimed job to its end and writes down how it went. Reports while it runs; ends it when it was cancelled,
 * when another worker has it (this one was silent for too long), or when the worker stops.
 */
export async function runClaimed<K extends JobKind>(claimed: Claimed<K>): Promise<void> {
  const { db, row, worker, run, signal, timing, log } = claimed;
  const ending = new AbortController();
  let why: 'cancelled' | 'lost' | 'stopping' | undefined;
  const end = (reason: NonNullable<typeof why>): void => {
    why ??= reason;
    ending.abort(new TouchlineError('job_failed', `the job was ended: ${why}`));
  };
  const onStop = (): void => end('stopping');
  signal.addEventListener('abort', onStop);
  if (signal.aborted) onStop();

  let now: JobProgress = { progress: 0, speed: null, remainingSec: null };
  const lines: string[] = [];
  const mine = () =>
    db
      .updateTable('job')
      .where('job_id', '=', row.job_id)
      .where('worker', '=', worker)
      .where('attempt', '=', row.attempt)
      .where('state', '=', 'running');
  let unheard = false;
  const report = async (): Promise<void> => {
    try {
      await claimed.seen();
      const kept = await mine()
        .set({ ...columnsOf(now, lines), heartbeat_at: sql<Date>`clock_timestamp()` })
        .returning('cancel_requested')
        .executeTakeFirst();
      unheard = false;
      if (!kept) end('lost');
      else if (kept.cancel_requested) end('cancelled');
    } catch (error) {
      if (!unheard)
        log.warn(
          { err: error, job: row.job_id },
          'a running job could not report; it goes on, and tries again',
        );
      unheard = true;
    }
  };
  let reporting: Promise<void> | undefined;
  const timer = setInterval(() => {
    // One at a time: while the database is away they would pile up.
    reporting ??= report().finally(() => {
      reporting = undefined;
    });
  }, timing.heartbeatMs);

  let outcome: Outcome;
  try {
    const result = await run(toJob<K>(row), {
      signal: ending.signal,
      progress(next) {
        now = next;
      },
      log(line) {
        lines.push(line);
        if (lines.length > LOG_LINES) lines.shift();
      },
    });
    now = { ...now, progress: 1, remainingSec: 0 };
    outcome = { state: 'done', result };
  } catch (error) {
    if (why === 'cancelled') outcome = { state: 'cancelled' };
    else if (why !== undefined) outcome = { state: 'queued' };
    else outcome = { state: 'failed', error: asJobError(error, log, row.job_id) };
  } finally {
    clearInterval(timer);
    signal.removeEventListener('abort', onStop);
    await reporting;
  }
  if (why === 'lost') {
    log.warn({ job: row.job_id }, 'another worker has taken over the job');
    return;
  }
  // An hour of work is not thrown away because the database restarts just now.
  for (;;) {
    try {
      await settle(claimed, outcome, columnsOf(now, lines));
      return;
    } catch (error) {
      if (signal.aborted) throw error;
      log.error({ err: error, job: row.job_id }, 'the end of a job could not be stored; trying again');
      await pause(timing.pollMs, signal);
    }
  }
}

const columnsOf = (now: JobProgress, lines: string[]) => ({
  progress: Math.min(1, Math.max(0, now.progress)),
  speed: now.speed,
  remaining_sec: now.remainingSec,
  log: JSON.stringify(lines),
});

async function settle<K extends JobKind>(
  { db, boss, row, worker, log }: Claimed<K>,
  outcome: Outcome,
  columns: ReturnType<typeof columnsOf>,
): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    const options = { db: fromKysely(transaction) };
    const changed = await transaction
      .updateTable('job')
      .set({
        ...columns,
        state: outcome.state,
        worker: null,
        ...(outcome.state === 'queued'
          ? // Stopping a worker in good order is no failed attempt.
            { attempt: sql<number>`attempt - 1` }
          : { finished_at: sql<Date>`clock_timestamp()` }),
        ...(outcome.state === 'done' ? { result: JSON.stringify(outcome.result), error: null } : {}),
        ...(outcome.state === 'failed' ? { error: JSON.stringify(outcome.error.toWire()) } : {}),
      })
      .where('job_id', '=', row.job_id)
      .where('worker', '=', worker)
      .where('attempt', '=', row.attempt)
      .returning('job_id')
      .executeTakeFirst();
    if (!changed) return;
    if (outcome.state === 'queued')
      await boss.fail(row.kind, row.job_id, { reason: 'worker stops' }, options);
    else await boss.complete(row.kind, row.job_id, { state: outcome.state }, options);
  });
  log.info({ job: row.job_id, state: outcome.state }, 'job ended');
}

function asJobError(error: unknown, log: Logger, jobId: string): TouchlineError {
  if (error instanceof TouchlineError) return error;
  log.error({ err: error, job: jobId }, 'a job failed for a reason nobody expected');
  return new TouchlineError('job_failed', 'the job failed for a reason nobody expected; the log has it', {
    cause: error,
  });
}
