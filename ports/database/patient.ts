import { setTimeout as wait } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';

const RETRY_MS = 500;
/** PostgreSQL, appendix A: class 08, and 57P01 to 57P03, are about the connection, not about the query. */
const LOST_CODES = /^(08...|57P0[123]|ECONNRESET|ECONNREFUSED|ENOENT|EPIPE)$/;

/** Whether a query failed because the server went away. */
export function isConnectionLoss(error: unknown): boolean {
  if (error instanceof TouchlineError) return error.code === 'database_unavailable';
  const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
  return LOST_CODES.test(String(code)) || /^Connection terminated/.test(String(message));
}

/**
 * The same function, which asks again while the database is away, until the signal aborts. Only for what may be done
 * twice: an answer can be lost after the work was done.
 */
export function patient<A extends unknown[], R>(
  work: (...args: A) => Promise<R>,
  signal: AbortSignal,
): (...args: A) => Promise<R> {
  return async (...args) => {
    for (;;) {
      try {
        return await work(...args);
      } catch (error) {
        if (signal.aborted || !isConnectionLoss(error)) throw error;
        await wait(RETRY_MS, undefined, { signal }).catch(() => {
          throw error;
        });
      }
    }
  };
}
