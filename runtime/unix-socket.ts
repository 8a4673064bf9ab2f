import { chmod, mkdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { HttpApp } from './http-app.ts';

/** `sun_path` in linux/un.h holds 108 bytes with the closing zero. */
const LONGEST_PATH = 107;

/** Where the recorder of a node serves pictures to its api. */
export function previewSocketPath(config: Pick<NodeConfig, 'runtime_dir'>): string {
  return join(config.runtime_dir, 'recorder-preview.sock');
}

/**
 * Serves an application on a Unix socket, open to owner and group. What a killed program left there is removed. Throws
 * `configuration_invalid` when the path is too long, `conflict` when another program answers on it.
 */
export async function listenOnSocket(app: HttpApp, path: string): Promise<void> {
  if (Buffer.byteLength(path) > LONGEST_PATH)
    throw new TouchlineError(
      'configuration_invalid',
      `the socket path ${path} has more than ${LONGEST_PATH} bytes`,
      { field: 'runtime_dir' },
    );
  await mkdir(dirname(path), { recursive: true });
  await removeStale(path);
  await app.listen({ path });
  await chmod(path, 0o660);
}

/** A killed program leaves its socket file behind. One that still answers belongs to somebody: `conflict`. */
async function removeStale(path: string): Promise<void> {
  const alive = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
  if (alive)
    throw new TouchlineError('conflict', `another program already answers on ${path}; stop it first`);
  await rm(path, { force: true });
}
