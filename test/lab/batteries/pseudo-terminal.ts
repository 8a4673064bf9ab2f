import { closeSync, constants, openSync, rmSync, symlinkSync, writeSync } from 'node:fs';
import koffi from 'koffi';
import { run } from '../machine/run.ts';

const libc = koffi.load('libc.so.6');
const grantpt = libc.func('int grantpt(int fd)');
const unlockpt = libc.func('int unlockpt(int fd)');
const ptsname = libc.func('const char *ptsname(int fd)');

/** A serial line whose far end is in our hands (pts(4)). */
export interface PseudoTerminal {
  write(bytes: Uint8Array): void;
  /** As when the cable is pulled: who reads the line sees it end, and its name is gone. */
  hangUp(): void;
}

/** A line that `link` names. */
export async function pseudoTerminal(link: string): Promise<PseudoTerminal> {
  const far = openSync('/dev/ptmx', constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK);
  if (grantpt(far) !== 0 || unlockpt(far) !== 0) throw new Error('no pseudo-terminal');
  const near = ptsname(far) as string;
  // Nothing comes back from the line, as long as nobody has opened it.
  await run('stty', ['-F', near, 'raw', '-echo']);
  rmSync(link, { force: true });
  symlinkSync(near, link);
  return {
    write(bytes) {
      try {
        writeSync(far, bytes);
      } catch (error) {
        // Nobody reads: a real line would not keep it either.
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    },
    hangUp() {
      rmSync(link, { force: true });
      closeSync(far);
    },
  };
}
