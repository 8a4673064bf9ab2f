import type { Job } from '#contracts/http-central.ts';

export type JobKind = Job['kind'];
export type JobOf<K extends JobKind> = Extract<Job, { kind: K }>;
export type JobResult<K extends JobKind> = NonNullable<JobOf<K>['result']>;

/** What is asked for. One job of a kind, session and subject is busy at a time. */
export type JobRequest = {
  [K in JobKind]: Pick<JobOf<K>, 'kind' | 'session_uid' | 'subject' | 'settings'>;
}[JobKind];

/**
 * Long work in one queue, for workers of several processes. A job whose worker goes silent runs again, at most
 * `MAX_ATTEMPTS` times; one that fails by itself does not.
 */
export interface JobQueue {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
  /**
   * `join`: a job of this kind, session and subject that still waits is returned instead of a second one, with the
   * settings it has. `refuse`: rejects with `conflict` while one waits or runs.
   */
  enqueue(request: JobRequest, whenBusy: 'join' | 'refuse'): Promise<Job>;
  /** Newest first. */
  list(which?: JobFilter): Promise<Job[]>;
  /** Rejects with `not_found`. */
  get(jobId: string): Promise<Job>;
  /** A waiting job is cancelled at once, a running one when its worker has ended it. Rejects with `conflict` when it has ended. */
  cancel(jobId: string): Promise<Job>;
  /** Executes jobs, one after the other, until the signal aborts; a job under way then goes back to the queue. */
  work<K extends JobKind>(kind: K, run: JobRun<K>, signal: AbortSignal): Promise<void>;
  /** Calls with each job soon after it changed in any process, and with `missed` when changes may have been lost. */
  watch(onChange: (job: Job | 'missed') => void): Promise<() => Promise<void>>;
  /** Worker processes that reported in the last seconds. */
  workers(): Promise<number>;
}

export interface JobFilter {
  readonly sessionUid?: string;
  /** `LIST_LIMIT` when left out. */
  readonly limit?: number;
}

/** Lines of log of a job in a list, and of one that is watched; `get` has all that are kept. */
export const LIST_LOG_LINES = 5;
export const LIST_LIMIT = 200;

/** Has to end, by rejecting, soon after `report.signal` aborts. */
export type JobRun<K extends JobKind> = (job: JobOf<K>, report: JobReport) => Promise<JobResult<K>>;

/** What a queue gives to a run. */
export interface JobReport {
  /** Aborts when the job was cancelled, given to another worker, or the worker stops. */
  readonly signal: AbortSignal;
  progress(now: JobProgress): void;
  log(line: string): void;
}

/** The same with a folder to write in: see `withScratch`. */
export type Executor<K extends JobKind> = (job: JobOf<K>, context: JobContext) => Promise<JobResult<K>>;

export interface JobContext extends JobReport {
  /**
   * Absolute path of a folder that is there, on the disk of the store. What is left in it by a run that failed, was
   * cancelled or was killed is found again by the next run of the same kind, session, subject and settings, for a
   * week. Who relies on that writes down what its files were made from.
   */
  readonly scratch: string;
}

export interface JobProgress {
  /** 0 to 1. */
  readonly progress: number;
  /** Times real time; null when unknown. */
  readonly speed: number | null;
  readonly remainingSec: number | null;
}

/** Lines of log that a job keeps. */
export const LOG_LINES = 200;

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

export const JOB_TIMING: JobTiming = { pollMs: 500, heartbeatMs: 500, staleMs: 15_000 };
