import { centralLayout } from '#contracts/layout.ts';
import { type BlobStore, putText } from '#ports/blobs/blobs.ts';
import type { JobQueue } from '#ports/jobs/jobs.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

const EVERY_MS = 2000;

/** Keeps a copy of the job states as a file, for people and scripts without access to the database. */
export function createJobsExport(parts: { jobs: JobQueue; store: BlobStore; log: Logger }): Unit {
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> = Promise.resolve();
  let last = '';
  const write = async (): Promise<void> => {
    try {
      const text = `${JSON.stringify({ jobs: await parts.jobs.list() }, null, 2)}\n`;
      if (text === last) return;
      await putText(parts.store, centralLayout.jobsExport, text);
      last = text;
    } catch (error) {
      parts.log.warn({ err: error }, 'the job states could not be exported');
    }
  };
  return {
    async start() {
      await write();
      timer = setInterval(() => {
        writing = writing.then(write);
      }, EVERY_MS);
    },
    async stop() {
      clearInterval(timer);
      await writing;
    },
  };
}
