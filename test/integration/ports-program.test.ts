import { once } from 'node:events';
import { chmodSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { describeEnd, runProgram, startProgram } from '#ports/program/program.ts';

const alive = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));

t.test('output, end, and the last lines of what went wrong', async (t) => {
  t.equal(await runProgram('printf', ['%s', 'Grüße']), 'Grüße');
  const script = 'for n in $(seq 100); do echo "line $n" >&2; done; printf "no newline" >&2; exit 3';
  await t.rejects(runProgram('sh', ['-c', script]), {
    code: 'internal',
    message: 'sh failed: exit code 3: no newline',
  });
  const end = await (await startProgram('sh', ['-c', script])).ended;
  t.match(end, { code: 3, signal: null });
  t.equal(end.stderr.at(-2), 'line 100');
  t.ok(end.stderr.length <= 41, 'the end of it only');
  t.equal(describeEnd(end), 'exit code 3: no newline');
  t.equal(describeEnd({ code: null, signal: 'SIGKILL', stderr: [] }), 'ended by SIGKILL');
  const big = await runProgram('head', ['-c', '3000000', '/dev/zero']);
  t.equal(big.length, 3_000_000, 'large output arrives whole');
});

t.test('a program that is not there', async (t) => {
  await t.rejects(startProgram('/nowhere/ffprobe', []), {
    code: 'program_missing',
    message: '/nowhere/ffprobe is not installed: apt-get install -y ffmpeg',
    details: { program: 'ffprobe', debian_package: 'ffmpeg' },
  });
  await t.rejects(runProgram('no-such-program', []), {
    code: 'program_missing',
    message: /^no-such-program is not installed$/,
  });
  const file = join(t.testdir({ 'not-a-program': 'text' }), 'not-a-program');
  chmodSync(file, 0o644);
  await t.rejects(startProgram(file, []), { code: 'internal', message: /could not be started.*EACCES/ });
});

t.test('stopping asks first, and insists', async (t) => {
  const polite = await startProgram(
    'sh',
    ['-c', 'trap "echo bye >&2; exit 7" TERM; echo up; while :; do sleep 0.05; done'],
    {
      stdout: 'pipe',
    },
  );
  if (polite.child.stdout) await once(polite.child.stdout, 'data');
  t.match(await polite.stop(), { code: 7, stderr: ['bye'] });
  t.match(await polite.stop(), { code: 7 }, 'a second time changes nothing');

  const deaf = await startProgram('sh', ['-c', 'trap "" TERM; echo up; while :; do sleep 0.05; done'], {
    stdout: 'pipe',
  });
  if (deaf.child.stdout) await once(deaf.child.stdout, 'data');
  t.match(await deaf.stop('SIGTERM', 100), { code: null, signal: 'SIGKILL' });
});

t.test('a group ends with all that it started', async (t) => {
  const script = 'sh -c \'trap "" TERM; echo $$; exec sleep 60\' & exec sleep 60';
  const group = await startProgram('sh', ['-c', script], { stdout: 'pipe', group: true });
  const [line] = group.child.stdout
    ? ((await once(group.child.stdout, 'data')) as [Buffer])
    : [Buffer.from('')];
  const deaf = Number(line.toString());
  t.ok(alive(deaf));
  const end = await Promise.race([
    group.stop('SIGTERM', 200),
    delay(10_000, 'still waiting', { ref: false }),
  ]);
  t.match(end, { signal: 'SIGTERM' });
  // Its pipes close a moment before it is gone.
  for (let n = 0; n < 200 && alive(deaf); n++) await delay(5);
  t.notOk(alive(deaf), 'the one that did not listen too');
});

t.test('a program that nobody reads can be stopped, and one that ended can be written to', async (t) => {
  const noisy = await startProgram('yes', [], { stdout: 'pipe' });
  await delay(20);
  t.match(await noisy.stop(), { signal: 'SIGTERM' });
  const gone = await startProgram('true', [], { stdin: 'pipe' });
  await gone.ended;
  gone.child.stdin?.write('x'.repeat(100_000));
  await new Promise((resolve) => setImmediate(resolve));
  t.ok(gone.child.stdin?.destroyed, 'the broken pipe is no error of ours');
});

t.test('giving up ends the program with the reason', async (t) => {
  const control = new AbortController();
  const reason = new Error('not needed any more');
  const running = runProgram('sleep', ['60'], control.signal).catch((error: unknown) => error);
  await delay(50);
  control.abort(reason);
  t.equal(await running, reason);
  const never = join(t.testdir({}), 'made');
  const before = await runProgram('touch', [never], control.signal).catch((error: unknown) => error);
  t.equal(before, reason);
  t.notOk(existsSync(never), 'given up before: not even started');
});
