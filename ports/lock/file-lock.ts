import { once } from 'node:events';
import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, startProgram } from '#ports/program/program.ts';

/** A lock that is held until it is released or this process ends, in whatever way. */
export interface HeldLock {
  /** Resolves with a reason when it was lost without having been released. */
  readonly lost: Promise<string>;
  release(): Promise<void>;
}

/** flock(1) ends with this when somebody else has the lock; a number that it uses for nothing else. */
const TAKEN_EXIT_CODE = 75;

/**
 * Takes the lock of a file (made when it is not there) or folder, as flock(2) knows it: seen by every process of this
 * kernel, containers included. Waits for at most `waitSec`; undefined when somebody else has it then.
 * A child process holds it; it ends when its stdin closes, which happens however this process ends.
 */
export async function fileLock(path: string, waitSec: number): Promise<HeldLock | undefined> {
  const program = await startProgram(
    'flock',
    [
      ...['--exclusive', '--no-fork', '--timeout', String(waitSec)],
      ...['--conflict-exit-code', String(TAKEN_EXIT_CODE), path],
      ...['sh', '-c', 'echo held; exec cat > /dev/null'],
    ],
    { stdin: 'pipe', stdout: 'pipe', group: true },
  );
  const { stdin, stdout } = program.child;
  if (!stdin || !stdout) throw new Error('a program was started without its pipes');
  const end = await Promise.race([once(stdout, 'data').then(() => undefined), program.ended]);
  if (end?.code === TAKEN_EXIT_CODE) return undefined;
  if (end) throw lockFailed(path, describeEnd(end));
  let released = false;
  return {
    lost: new Promise((resolve) => {
      void program.ended.then((ended) => {
        if (!released) resolve(describeEnd(ended));
      });
    }),
    async release() {
      released = true;
      stdin.end();
      await program.ended;
    },
  };
}

function lockFailed(path: string, why: string): TouchlineError {
  return new TouchlineError('disk_missing', `${path} cannot be locked: ${why}`);
}
