import { TouchlineError } from '#contracts/errors.ts';

/** What the disk threw, as an error of ours. */
export function asDiskError(error: unknown): TouchlineError {
  return error instanceof TouchlineError
    ? error
    : new TouchlineError('disk_failed', 'the disk failed', { cause: error });
}

/** What was recorded so long ago is not safe yet. */
export function tooLate(seconds: number): TouchlineError {
  return new TouchlineError(
    'disk_too_slow',
    `the disk does not keep up: what was recorded ${seconds.toFixed(1)} s ago would not survive a power cut yet`,
  );
}

/** The queue in front of the disk is full. */
export function tooSlow(queuedBytes: number): TouchlineError {
  return new TouchlineError(
    'disk_too_slow',
    `the disk does not keep up: ${(queuedBytes / 2 ** 20).toFixed(0)} MiB wait to be written, frames are being lost`,
  );
}
