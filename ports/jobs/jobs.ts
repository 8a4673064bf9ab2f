import type { Job } from '#contracts/http-central.ts';

/**
 * Long work in one queue, for workers of several processes. A job whose worker goes silent runs again, at most
 * `MAX_ATTEMPTS` times; one that fails by itself does not.
 */
export interface JobQueue {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /**
   * `join`: a job of this kind and session that still waits is returned instead of a second one.
   * `refuse`: rejects with `conflict` while one waits or runs.
   */
  enqueue(kind: Job['kind'], sessionUid: string, whenBusy: 'join' | 'refuse'): Promise<Job>;
  /** Newest first; of one session when it is given. */
  list(sessionUid?: string): Promise<Job[]>;
  /** Rejects with `not_found`. */
  get(jobId: string): Promise<Job>;
  /** A waiting job is cancelled at once, a running one when its worker has ended it. Rejects with `conflict` when it has ended. */
  cancel(jobId: string): Promise<Job>;
  /** Executes jobs, one after the other, until the signal aborts; a job under way then goes back to the queue. */
  work<K extends Job['kind']>(kind: K, execute: Executor<K>, signal: AbortSignal): Promise<void>;
  /** Workers that reported in the last seconds. */
  workers(): Promise<number>;
}

export type JobResult<K extends Job['kind']> = NonNullable<(Job & { kind: K })['result']>;

/** Has to end, by rejecting, soon after `context.signal` aborts. */
export type Executor<K extends Job['kind']> = (job: Job, context: JobContext) => Promise<JobResult<K>>;

export interface JobContext {
  /** Aborts when the job was cancelled, given to another worker, or the worker stops. */
  readonly signal: AbortSignal;
  progress(now: JobProgress): void;
  log(line: string): void;
}

export interface JobProgress {
  /** 0 to 1. */
  readonly progress: number;
  /** Times real time; null when unknown. */
  readonly speed: number | null;
  readonly remainingSec: number | null;
}

/** Lines of log that a job keeps. */
export const LOG_LINES = 50;

/** A job that took its workers with it this often is not tried again. */
export const MAX_ATTEMPTS = 3;

export interface JobTiming {
  /** How often a worker looks for work. */
  readonly pollMs: number;
  /** How often a running job reports; a cancellation is noticed as often. */
  readonly heartbeatMs: number;
  /** Silence after which a worker counts as dead. */
  readonly staleMs: number;
}

export const JOB_TIMING: JobTiming = { pollMs: 1000, heartbeatMs: 1000, staleMs: 15_000 };
