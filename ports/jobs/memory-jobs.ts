import { randomUUID } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import type { Job } from '#contracts/http-central.ts';
import { toWireTime } from '#contracts/time.ts';
import {
  type JobKind,
  type JobOf,
  type JobQueue,
  type JobRun,
  type JobTiming,
  LIST_LIMIT,
  LIST_LOG_LINES,
  LOG_LINES,
  MAX_ATTEMPTS,
} from './jobs.ts';
import { pause } from './pause.ts';
import { alreadyEnded, busyWith, workersDied } from './refusals.ts';

interface Held {
  job: Job;
  worker: string | null;
  heartbeatMs: number;
  cancelRequested: boolean;
}

/** Jobs that several simulated processes share. */
export interface MemoryJobs {
  /** A process of its own; after `kill` its workers report nothing and write nothing any more. */
  process(): { queue: JobQueue; kill(): void };
}

/** The queue in memory, for tests. */
export function memoryJobs(timing: JobTiming): MemoryJobs {
  const held = new Map<string, Held>();
  const workers = new Map<string, number>();
  const watchers = new Set<(job: Job) => void>();
  const wireNow = (): string => toWireTime(Date.now() * 1000);
  const one = (jobId: string): Held => {
    const found = held.get(jobId);
    if (!found) throw new TouchlineError('not_found', `there is no job ${jobId}`);
    return found;
  };
  const inShort = (job: Job): Job => ({ ...job, log: job.log.slice(-LIST_LOG_LINES) });
  const tell = (job: Job): void => {
    for (const watcher of watchers) watcher(inShort(job));
  };
  const set = (entry: Held, change: Partial<Omit<Job, 'kind' | 'settings' | 'result'>>): void => {
    entry.job = { ...entry.job, ...change };
    tell(entry.job);
  };
  const reap = (): void => {
    for (const entry of held.values()) {
      if (entry.job.state !== 'running' || Date.now() - entry.heartbeatMs < timing.staleMs) continue;
      entry.worker = null;
      if (entry.cancelRequested) set(entry, { state: 'cancelled', finished_at: wireNow() });
      else if (entry.job.attempt < MAX_ATTEMPTS) set(entry, { state: 'queued' });
      else
        set(entry, {
          state: 'failed',
          finished_at: wireNow(),
          error: workersDied(entry.job.attempt).toWire(),
        });
    }
  };

  const open = (alive: () => boolean, worker = randomUUID()): JobQueue => ({
    async start() {
      reap();
    },
    async stop() {
      reap();
    },
    async enqueue(request, whenBusy) {
      const unfinished = [...held.values()].filter(
        ({ job }) =>
          job.kind === request.kind &&
          job.session_uid === request.session_uid &&
          job.subject === request.subject &&
          ['queued', 'running'].includes(job.state),
      );
      const busy = unfinished.at(-1);
      if (busy && whenBusy === 'refuse') throw busyWith(busy.job.job_id, busy.job.state);
      const waiting = unfinished.find(({ job }) => job.state === 'queued');
      if (waiting) return waiting.job;
      const job = {
        job_id: randomUUID(),
        ...request,
        state: 'queued',
        progress: 0,
        speed: null,
        remaining_sec: null,
        attempt: 0,
        created_at: wireNow(),
        started_at: null,
        finished_at: null,
        result: null,
        error: null,
        log: [],
      } satisfies Job;
      held.set(job.job_id, { job, worker: null, heartbeatMs: 0, cancelRequested: false });
      tell(job);
      return job;
    },
    async list({ sessionUid, limit = LIST_LIMIT } = {}) {
      const jobs = [...held.values()].map(({ job }) => inShort(job)).reverse();
      return jobs.filter((job) => sessionUid === undefined || job.session_uid === sessionUid).slice(0, limit);
    },
    get: async (jobId) => one(jobId).job,
    async cancel(jobId) {
      const entry = one(jobId);
      const { state } = entry.job;
      if (state === 'queued') set(entry, { state: 'cancelled', finished_at: wireNow() });
      else if (state === 'running') entry.cancelRequested = true;
      else throw alreadyEnded(jobId, state);
      return entry.job;
    },
    async watch(onChange) {
      watchers.add(onChange);
      onChange('missed');
      return async () => void watchers.delete(onChange);
    },
    async work<K extends JobKind>(kind: K, run: JobRun<K>, signal: AbortSignal) {
      while (!signal.aborted && alive()) {
        workers.set(worker, Date.now());
        reap();
        const entry = [...held.values()].find(({ job }) => job.state === 'queued' && job.kind === kind);
        if (!entry) {
          await pause(timing.pollMs, signal);
          continue;
        }
        entry.worker = worker;
        entry.heartbeatMs = Date.now();
        const attempt = entry.job.attempt + 1;
        set(entry, { state: 'running', attempt, started_at: entry.job.started_at ?? wireNow(), log: [] });
        const mine = (): boolean => alive() && entry.worker === worker && entry.job.attempt === attempt;
        const ending = new AbortController();
        const end = (): void => ending.abort(new TouchlineError('job_failed', 'the job was ended'));
        signal.addEventListener('abort', end);
        const timer = setInterval(() => {
          if (!alive()) return;
          if (entry.worker !== worker || entry.cancelRequested) end();
          entry.heartbeatMs = Date.now();
          workers.set(worker, Date.now());
        }, timing.heartbeatMs);
        try {
          const result = await run(entry.job as JobOf<K>, {
            signal: ending.signal,
            progress(now) {
              if (mine())
                set(entry, { progress: now.progress, speed: now.speed, remaining_sec: now.remainingSec });
            },
            log(line) {
              if (mine()) set(entry, { log: [...entry.job.log, line].slice(-LOG_LINES) });
            },
          });
          if (mine()) {
            entry.job = { ...entry.job, result } as Job;
            set(entry, { state: 'done', progress: 1, remaining_sec: 0, finished_at: wireNow() });
          }
        } catch (error) {
          if (!mine()) continue;
          entry.worker = null;
          if (entry.cancelRequested) set(entry, { state: 'cancelled', finished_at: wireNow() });
          else if (signal.aborted) set(entry, { state: 'queued', attempt: attempt - 1 });
          else {
            const known =
              error instanceof TouchlineError ? error : new TouchlineError('job_failed', 'unexpected');
            set(entry, { state: 'failed', error: known.toWire(), finished_at: wireNow() });
          }
        } finally {
          clearInterval(timer);
          signal.removeEventListener('abort', end);
        }
      }
      workers.delete(worker);
    },
    async workers() {
      return [...workers.values()].filter((seen) => Date.now() - seen < timing.staleMs).length;
    },
  });

  return {
    process() {
      let alive = true;
      return {
        queue: open(() => alive),
        kill() {
          alive = false;
        },
      };
    },
  };
}
