import koffi from 'koffi';

/** <sys/file.h> */
const LOCK_SH = 1;
const LOCK_EX = 2;
const LOCK_NB = 4;

export type Flock = (descriptor: number, how: 'exclusive' | 'shared') => 'locked' | 'taken';

/**
 * flock(2), which Node has not: never waits. The lock belongs to the open file, and ends when that is closed, by whatever end of the process too.
 * Throws with `code` when the file system has no locks.
 */
export function loadFlock(): Flock {
  const call = koffi.load('libc.so.6').func('int flock(int fd, int operation)');
  const names = new Map(Object.entries(koffi.os.errno).map(([name, number]) => [number, name]));
  return (descriptor, how) => {
    if (call(descriptor, (how === 'shared' ? LOCK_SH : LOCK_EX) | LOCK_NB) === 0) return 'locked';
    const number = koffi.errno();
    const code = names.get(number) ?? `errno ${number}`;
    // The same number has two names.
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return 'taken';
    throw Object.assign(new Error(`flock: ${code}`), { code });
  };
}
