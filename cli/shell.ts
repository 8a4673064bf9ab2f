import type { Readable, Writable } from 'node:stream';
import { ERRORS, TouchlineError } from '#contracts/errors.ts';

/** What a command may know of the process it runs in; only `main.ts` reads it from there. */
export interface Shell {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Folder of the software: where `package.json` is. */
  readonly root: string;
  /** The Node that runs this, absolute. */
  readonly node: string;
  readonly superuser: boolean;
  readonly stdin: Readable & { isTTY?: boolean; setRawMode?: (on: boolean) => unknown };
  readonly stdout: Writable & { isTTY?: boolean; columns?: number };
  readonly stderr: Writable & { isTTY?: boolean };
  /** Exit code of the process once everything has ended. */
  exit(code: number): void;
}

/** A line for people, on stderr: stdout is for results. */
export function say(shell: Pick<Shell, 'stderr'>, line: string): void {
  shell.stderr.write(`${line}\n`);
}

/** A failure in words: what happened and what to do. A defect comes with its stack. */
export function tellFailure(shell: Shell, error: unknown): void {
  if (error instanceof TouchlineError) {
    say(shell, `touchline: ${error.message}`);
    say(shell, error.remedy);
    if (ERRORS[error.code].blame === 'us' && error.stack !== undefined) say(shell, error.stack);
  } else say(shell, error instanceof Error ? (error.stack ?? error.message) : String(error));
}
