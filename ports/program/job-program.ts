import { createInterface } from 'node:readline';
import { TouchlineError } from '#contracts/errors.ts';
import { describeEnd, startProgram } from './program.ts';

export interface JobProgramRun {
  readonly path: string;
  readonly args: readonly string[];
  readonly signal: AbortSignal;
  /** Any option that makes the program say something and end. */
  readonly harmless?: '-version' | '--help';
  /** Lines of stdout, such as those of ffmpeg's `-progress pipe:1`. */
  readonly onProgressLine?: (line: string) => void;
  readonly onLogLine?: (line: string) => void;
}

const STOP_GRACE_MS = 2000;

/**
 * Runs a program of a job (ffmpeg, ffprobe, one of Hugin's tools) in a process group of its own until it ends. An abort ends the group,
 * and so does the death of this process, even by `kill -9`: two of them must never write the same file.
 * Throws `program_missing`, `job_failed` with its last lines, or the signal's reason.
 */
export async function runJobProgram(run: JobProgramRun): Promise<void> {
  const { path, args, signal, harmless = '-version', onProgressLine, onLogLine } = run;
  // Asked first, because the starter below cannot tell that the program is missing.
  await (await startProgram(path, [harmless])).ended;
  signal.throwIfAborted();
  const program = await startProgram('setpriv', ['--pdeathsig', 'KILL', path, ...args], {
    stdout: onProgressLine ? 'pipe' : 'ignore',
    group: true,
  });
  const { stdout, stderr } = program.child;
  if (stdout && onProgressLine) createInterface(stdout).on('line', onProgressLine);
  if (stderr && onLogLine) createInterface(stderr).on('line', onLogLine);
  const onAbort = (): void => void program.stop('SIGTERM', STOP_GRACE_MS);
  signal.addEventListener('abort', onAbort, { once: true });
  if (signal.aborted) onAbort();
  const end = await program.ended;
  signal.removeEventListener('abort', onAbort);
  signal.throwIfAborted();
  if (end.code !== 0)
    throw new TouchlineError('job_failed', `${path.split('/').at(-1)} failed: ${describeEnd(end)}`, {
      details: { code: end.code, signal: end.signal, lines: end.stderr.slice(-10) },
    });
}
