import { isDeepStrictEqual } from 'node:util';

/** A conformance suite outside a test runner: what does not hold is noted, and told. */
export function checks(say: (line: Record<string, unknown>) => void) {
  const failures: string[] = [];
  let checked = 0;
  const check = (ok: boolean, message: string, found?: unknown): void => {
    checked++;
    say({ log: `${ok ? 'ok' : 'NOT OK'}: ${message}`, ...(ok ? {} : { found }) });
    if (!ok) failures.push(`${message}: ${JSON.stringify(found)}`);
  };
  return {
    failures,
    count: () => checked,
    t: {
      equal: (found: unknown, wanted: unknown, message: string) =>
        check(Object.is(found, wanted), message, found),
      same: (found: unknown, wanted: unknown, message: string) =>
        check(isDeepStrictEqual(found, wanted), message, found),
      ok: (value: unknown, message: string) => check(Boolean(value), message, value),
      async rejects(
        found: Promise<unknown>,
        wanted: { readonly code: string; readonly details?: { readonly reason: string } },
        message: string,
      ) {
        const error = (await found.then(
          () => undefined,
          (reason: unknown) => reason,
        )) as { code?: string; message?: string; details?: Record<string, unknown> } | undefined;
        const fits =
          error?.code === wanted.code &&
          (wanted.details === undefined || error.details?.reason === wanted.details.reason);
        check(fits, message, error && { code: error.code, message: error.message, details: error.details });
      },
    },
  };
}
