import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Shell } from '../shell.ts';

/** Where Debian keeps programs that are meant for root; a user's PATH may lack them. */
const SYSTEM_FOLDERS = ['/usr/sbin', '/sbin'];

/**
 * Runs a small program to its end and returns its stdout. Throws `program_missing` when it is not there, or what `failure` makes of its exit
 * code and stderr.
 */
export async function runTool(
  shell: Pick<Shell, 'env'>,
  program: string,
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly failure: (stderr: string, code: number | null) => Error;
  },
): Promise<string> {
  const path = [shell.env.PATH ?? '', ...SYSTEM_FOLDERS].join(delimiter);
  const child = spawn(program, args, {
    env: { ...shell.env, LC_ALL: 'C', ...options.env, PATH: path },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close').catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError('program_missing', `${program} cannot be started (${cause.code})`, { cause });
  })) as [number | null];
  if (code !== 0) throw options.failure(stderr.trim(), code);
  return stdout;
}
