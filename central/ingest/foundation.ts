import { resolve } from 'node:path';
import { centralLayout } from '#contracts/layout.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import { localBlobs } from '#ports/blobs/local-blobs.ts';
import type { Database } from '#ports/database/database.ts';
import { givenServer, postgresDatabase } from '#ports/database/postgres.ts';
import { privateServer } from '#ports/database/private-server.ts';
import { jobMigrations } from '#ports/jobs/tables.ts';
import type { Logger } from '#runtime/logger.ts';
import { ingestMigrations } from './tables.ts';

/** What server and worker stand on, made alike from the same configuration, so that they meet. */

export const BYTES_PER_GB = 1e9;

/** `receives`: this process takes uploads, and removes what an earlier run left of them. */
export function centralStore({ storage }: ServerConfig, options: { receives: boolean }): BlobStore {
  const root = resolve(storage.root);
  return localBlobs({
    areas: {
      [centralLayout.sessions]: resolve(root, storage.sessions_path),
      [centralLayout.processing]: resolve(root, storage.processing_path),
    },
    temp: resolve(root, storage.temp_path),
    receives: options.receives,
  });
}

/** `owner`: this process starts the private server, unless another one was configured. */
export function centralDatabase(
  { storage, database }: ServerConfig,
  role: 'owner' | 'guest',
  log: Logger,
): Database {
  const path = resolve(storage.root, database.path);
  return postgresDatabase({
    server: database.url === undefined ? privateServer({ path, role, log }) : givenServer(database.url),
    migrations: [...jobMigrations, ...ingestMigrations],
    log,
  });
}
