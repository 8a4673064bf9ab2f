import { TouchlineError } from '#contracts/errors.ts';

export function busyWith(jobId: string, state: string): TouchlineError {
  return new TouchlineError('conflict', `job ${jobId} for the same is ${state}; cancel it or wait`, {
    details: { job_id: jobId, state },
  });
}

export function alreadyEnded(jobId: string, state: string): TouchlineError {
  return new TouchlineError('conflict', `job ${jobId} has ended already: ${state}`, { details: { state } });
}

export function workersDied(attempts: number): TouchlineError {
  return new TouchlineError('job_failed', `the worker died in each of ${attempts} attempts`, {
    details: { attempts },
  });
}
