import type { ServerConfig } from '#contracts/server-config.ts';
import { postgresJobs } from '#ports/jobs/postgres-jobs.ts';
import { scratchFolders, withScratch } from '#ports/jobs/scratch.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createCatalog } from '../ingest/catalog.ts';
import { BYTES_PER_GB, centralDatabase, centralStore } from '../ingest/foundation.ts';
import { ffprobe } from '../ingest/probe.ts';
import { panoramaExecutor } from '../panorama/executor.ts';

export interface WorkerParts {
  readonly config: ServerConfig;
  readonly log: Logger;
}

/** Executes jobs, one at a time. Several workers, here or on other machines, share the queue. */
export function createWorker({ config, log }: WorkerParts): Unit {
  const database = centralDatabase(config, 'guest', log);
  const store = centralStore(config, { receives: false });
  const jobs = postgresJobs({ database, log });
  const catalog = createCatalog({ database, store, log });
  const panorama = panoramaExecutor({
    store,
    processing: config.processing,
    minFreeBytes: config.storage.min_free_space_gb * BYTES_PER_GB,
    session: (sessionUid) => catalog.session(sessionUid),
    probe: ffprobe(config.processing.ffmpeg_path),
  });

  const scratch = scratchFolders(store.scratch);
  const ending = new AbortController();
  let working: Promise<void> = Promise.resolve();
  return group(database, { start: () => store.start(), stop: async () => undefined }, jobs, {
    async start() {
      await scratch.tidy();
      working = jobs.work('panorama', withScratch(scratch, panorama), ending.signal);
    },
    async stop() {
      ending.abort(new Error('the worker stops'));
      await working;
    },
  });
}
