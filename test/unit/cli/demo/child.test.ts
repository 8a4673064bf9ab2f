import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { superviseChild } from '../../../../cli/demo/child.ts';

/** What a supervised program is said to have ended with; `before` is in its log from an earlier demo. */
async function lastEnd(t: Test, program: string, before: string): Promise<string | undefined> {
  const logFile = join(t.testdir({}), 'child.log');
  writeFileSync(logFile, before);
  const ended = Promise.withResolvers<void>();
  const child = superviseChild(
    { name: 'child', command: process.execPath, args: ['--eval', program], env: process.env, logFile },
    () => ended.resolve(),
  );
  child.start();
  await ended.promise;
  const said = child.lastEnd;
  await child.stop();
  return said;
}

const log = (entry: object): string => `console.error(JSON.stringify(${JSON.stringify(entry)}));`;
const OLD = `${JSON.stringify({ level: 60, msg: 'an old failure' })}\n`;

t.test('a child that ended is told with what it logged in this run alone', async (t: Test) => {
  t.equal(await lastEnd(t, 'process.exitCode = 3', OLD), 'exit code 3');
  const failure = `${log({ level: 50, msg: 'no disk' })} ${log({ level: 30, msg: 'stopped' })} process.exitCode = 1`;
  t.equal(await lastEnd(t, failure, OLD), 'exit code 1: no disk');
});

t.test('of a crash the error is told, not the frame of it', async (t: Test) => {
  t.equal(await lastEnd(t, 'throw new RangeError("too far")', OLD), 'exit code 1: RangeError: too far');
});
