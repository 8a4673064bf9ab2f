import t from 'tap';
import { ERRORS, type ErrorCode } from '#contracts/errors.ts';
import { pauseBefore, worthRetrying } from '#domain/retry/upload-retry.ts';

const POLICY = { attempts: 5, firstPauseSec: 5 };

t.test('pauses of 0, 5, 10, 20, 40 seconds, then no more', async (t) => {
  t.same(
    [1, 2, 3, 4, 5, 6].map((attempt) => pauseBefore(attempt, POLICY, 0.5)),
    [0, 5, 10, 20, 40, undefined],
  );
  t.same(
    [1, 2, 3].map((attempt) => pauseBefore(attempt, { attempts: 2, firstPauseSec: 0.01 }, 0.5)),
    [0, 0.01, undefined],
    'as configured',
  );
  t.equal(
    pauseBefore(1, { attempts: 1, firstPauseSec: 5 }, 0.9),
    0,
    'the first comes at once, whatever the chance',
  );
});

t.test('nodes that failed together do not come back together', async (t) => {
  for (const attempt of [2, 3, 4, 5]) {
    const middle = pauseBefore(attempt, POLICY, 0.5) ?? 0;
    const pauses = [0, 0.25, 0.75, 0.999].map((random) => pauseBefore(attempt, POLICY, random) ?? 0);
    t.same(
      pauses,
      [...pauses].sort((a, b) => a - b),
    );
    t.ok((pauses[0] ?? 0) >= 0.9 * middle && (pauses[3] ?? 0) <= 1.1 * middle, 'within a tenth');
    t.ok((pauses[3] ?? 0) - (pauses[0] ?? 0) > 0.15 * middle, 'and spread over most of it');
  }
});

t.test('only what can pass is tried again', async (t) => {
  const again: ErrorCode[] = [
    'checksum_mismatch',
    'upload_in_progress',
    'rate_limited',
    'command_expired',
    'peer_silent',
    'central_unreachable',
    'insufficient_storage',
    'shutting_down',
    'database_unavailable',
    'internal',
  ];
  for (const code of again) t.ok(worthRetrying(code), code);
  const final = (Object.keys(ERRORS) as ErrorCode[]).filter(
    (code) => ERRORS[code].status < 500 && !again.includes(code),
  );
  for (const code of final) t.notOk(worthRetrying(code), code);
  for (const code of ['invalid_manifest', 'not_mp4', 'payload_too_large', 'conflict', 'not_found'] as const)
    t.ok(final.includes(code), `${code} is among them`);
});
