import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { centralLayout } from '#contracts/layout.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { patient } from '#ports/database/patient.ts';
import type { Executor } from '#ports/jobs/jobs.ts';
import { postgresJobs } from '#ports/jobs/postgres-jobs.ts';
import { scratchFolders, withScratch } from '#ports/jobs/scratch.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createCatalog } from '../ingest/catalog.ts';
import { BYTES_PER_GB, centralDatabase, centralStore } from '../ingest/foundation.ts';
import { createHashes } from '../ingest/hashes.ts';
import { ffprobe } from '../ingest/probe.ts';
import { panoramaExecutor } from '../panorama/executor.ts';
import { proxyExecutor } from '../proxies/executor.ts';
import { PANORAMA_SUBJECT, proxyRequest } from '../proxies/subjects.ts';

export interface WorkerParts {
  readonly config: ServerConfig;
  readonly log: Logger;
}

/**
 * Executes jobs: one panorama and one proxy at a time, so that nobody waits for a long panorama to see what arrived.
 * Several workers, here or on other machines, share the queue.
 */
export function createWorker({ config, log }: WorkerParts): Unit {
  const database = centralDatabase(config, 'guest', log);
  const store = centralStore(config, { receives: false });
  const jobs = postgresJobs({ database, log });
  const catalog = createCatalog({ database, store, log });
  const ending = new AbortController();
  // What was made for an hour is not thrown away because the server restarts just now.
  const session = patient(catalog.session, ending.signal);
  const enqueue = patient(jobs.enqueue, ending.signal);
  const common = {
    store,
    minFreeBytes: config.storage.min_free_space_gb * BYTES_PER_GB,
    session,
    probe: ffprobe(config.processing.ffmpeg_path),
    noteHash: patient(createHashes({ db: () => database.handle(), store }).note, ending.signal),
  };
  const stitch = panoramaExecutor({
    ...common,
    processing: config.processing,
    warn: (message) => log.warn(message),
  });
  const proxy = proxyExecutor({
    ...common,
    ffmpegPath: config.processing.ffmpeg_path,
    noteFacts: patient(catalog.noteFacts, ending.signal),
  });
  /** What was made is told beside it, and gets a picture. */
  const panorama: Executor<'panorama'> = async (job, context) => {
    const result = await stitch(job, context);
    const { folder } = await session(job.session_uid);
    const told = join(context.scratch, 'result.json');
    await writeFile(told, `${JSON.stringify(result, null, 2)}\n`);
    await (await store.adopt(told)).commit(centralLayout.panoramaResult(folder));
    await enqueue(proxyRequest(job.session_uid, PANORAMA_SUBJECT), 'join');
    return result;
  };

  const scratch = scratchFolders(store.scratch);
  let working: Promise<unknown> = Promise.resolve();
  return group(database, { start: () => store.start(), stop: async () => undefined }, jobs, {
    async start() {
      await scratch.tidy();
      working = Promise.all([
        jobs.work('panorama', withScratch(scratch, panorama), ending.signal),
        jobs.work('proxy', withScratch(scratch, proxy), ending.signal),
      ]);
    },
    async stop() {
      ending.abort(new Error('the worker stops'));
      await working;
    },
  });
}
