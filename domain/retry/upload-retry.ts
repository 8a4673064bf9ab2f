import { ERRORS, type ErrorCode } from '#contracts/errors.ts';

/** How uploads are tried again: at once, then after pauses that double from `firstPauseSec`. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly firstPauseSec: number;
}

/** Share of a pause by which it varies, so that three nodes do not come at the same instant. */
const JITTER = 0.2;

/**
 * Pause before an attempt, seconds: 0, 5, 10, 20, 40 for the default policy, each with jitter. `attempt` counts from 1;
 * `random` is in [0, 1). Undefined when there are no attempts left.
 */
export function pauseBefore(attempt: number, policy: RetryPolicy, random: number): number | undefined {
  if (attempt > policy.attempts) return undefined;
  if (attempt === 1) return 0;
  return policy.firstPauseSec * 2 ** (attempt - 2) * (1 - JITTER / 2 + JITTER * random);
}

/** Codes worth another attempt although their status is 4xx. */
const TRY_AGAIN: ReadonlySet<ErrorCode> = new Set([
  'checksum_mismatch',
  'upload_in_progress',
  'rate_limited',
  'command_expired',
]);

/**
 * Whether another attempt can help: time-outs, refused connections, 5xx and a checksum that did not match can pass; any
 * other refusal would only be repeated.
 */
export function worthRetrying(code: ErrorCode): boolean {
  return TRY_AGAIN.has(code) || ERRORS[code].status >= 500;
}
