import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Held until it is released or this process ends, in whatever way. */
export interface Lock {
  release(): void;
}

/**
 * The lock of `name` on this machine, or undefined when another process holds it. It is an abstract Unix socket (Linux): it has no
 * file that could be left behind. It does not keep this process alive.
 */
export async function takeLock(name: string): Promise<Lock | undefined> {
  const server = createServer();
  server.listen(`\0touchline-${createHash('sha256').update(name).digest('hex').slice(0, 24)}`);
  const taken = await once(server, 'listening').then(
    () => false,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') return true;
      throw error;
    },
  );
  if (taken) return undefined;
  server.unref();
  return { release: () => void server.close() };
}
