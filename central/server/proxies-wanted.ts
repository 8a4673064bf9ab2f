import { centralLayout } from '#contracts/layout.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import type { JobQueue } from '#ports/jobs/jobs.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Catalog } from '../ingest/catalog.ts';
import type { CatalogSession } from '../ingest/describe.ts';
import { PANORAMA_SUBJECT, proxyRequest, subjectOf } from '../proxies/subjects.ts';

export interface ProxiesWanted {
  /** Something of a session arrived. Never rejects: the recording is stored, and `catchUp` comes again. */
  changed(sessionUid: string): Promise<void>;
  /** What has neither a proxy nor a job that made or makes one gets a job. */
  catchUp(): Promise<void>;
}

/** Asks for what a browser shows of a session: a proxy of each recording, a picture of the panorama. */
export function proxiesWanted(parts: {
  catalog: Catalog;
  jobs: JobQueue;
  store: BlobStore;
  log: Logger;
}): ProxiesWanted {
  const { catalog, jobs, store, log } = parts;

  const panoramaHasNoPicture = async ({ folder }: CatalogSession): Promise<boolean> =>
    (await store.find(centralLayout.panorama(folder))) !== undefined &&
    (await store.find(centralLayout.panoramaThumbnail(folder))) === undefined;

  const want = async (session: CatalogSession): Promise<void> => {
    const subjects = session.recordings.filter((one) => one.proxy_url === null).map(subjectOf);
    if (await panoramaHasNoPicture(session)) subjects.push(PANORAMA_SUBJECT);
    if (subjects.length === 0) return;
    const known = await jobs.list({ sessionUid: session.session_uid });
    // One that failed would fail again: a person repeats it when the cause is gone.
    for (const subject of subjects)
      if (!known.some((job) => job.kind === 'proxy' && job.subject === subject && job.state !== 'done'))
        await jobs.enqueue(proxyRequest(session.session_uid, subject), 'join');
  };

  return {
    async changed(sessionUid) {
      try {
        await want(await catalog.session(sessionUid));
      } catch (error) {
        log.error({ err: error, session: sessionUid }, 'the proxies of a session could not be queued');
      }
    },
    async catchUp() {
      for (const session of await catalog.sessions()) await want(session);
    },
  };
}
