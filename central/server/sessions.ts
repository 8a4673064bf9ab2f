import { CentralSession, type Job } from '#contracts/http-central.ts';
import { centralLayout } from '#contracts/layout.ts';
import { PanoramaResult } from '#contracts/panorama.ts';
import { centralFiles, pathTo } from '#contracts/routes.ts';
import { type BlobStore, readText } from '#ports/blobs/blobs.ts';
import type { JobQueue } from '#ports/jobs/jobs.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Catalog } from '../ingest/catalog.ts';
import type { CatalogSession } from '../ingest/describe.ts';

/** Sessions with their jobs and what came of them. */
export interface Sessions {
  /** Newest first. */
  all(): Promise<CentralSession[]>;
  /** Rejects with `not_found`. */
  one(sessionUid: string): Promise<CentralSession>;
}

/** Far more than a season makes. */
const JOBS_MAX = 20_000;

export function createSessions(parts: {
  catalog: Catalog;
  jobs: JobQueue;
  store: BlobStore;
  log: Logger;
}): Sessions {
  const { catalog, jobs, store, log } = parts;

  const whole = async (session: CatalogSession, own: Job[]): Promise<CentralSession> =>
    CentralSession.parse({ ...session, panorama: await panoramaOf(session, own), jobs: own });

  const panoramaOf = async (
    session: CatalogSession,
    own: readonly Job[],
  ): Promise<CentralSession['panorama']> => {
    if (!(await store.find(centralLayout.panorama(session.folder)))) return null;
    const done = own.find((job) => job.kind === 'panorama' && job.state === 'done');
    const result =
      done?.kind === 'panorama' && done.result ? done.result : await storedResult(session.folder);
    if (!result) return null;
    const thumbnail = await store.find(centralLayout.panoramaThumbnail(session.folder));
    const parameters = { session_uid: session.session_uid };
    return {
      url: pathTo(centralFiles.panorama, parameters),
      thumbnail_url: thumbnail ? pathTo(centralFiles.panoramaThumbnail, parameters) : null,
      result,
    };
  };

  /** When the database was lost, the folder still tells what was made. */
  const storedResult = async (folder: string): Promise<PanoramaResult | undefined> => {
    const name = centralLayout.panoramaResult(folder);
    if (!(await store.find(name))) return undefined;
    try {
      return PanoramaResult.parse(JSON.parse(await readText(store, name)));
    } catch (error) {
      log.warn({ err: error, name }, 'what was kept about a panorama cannot be read');
      return undefined;
    }
  };

  return {
    async all() {
      const [sessions, all] = await Promise.all([catalog.sessions(), jobs.list({ limit: JOBS_MAX })]);
      const bySession = Map.groupBy(all, (job) => job.session_uid);
      return Promise.all(sessions.map((session) => whole(session, bySession.get(session.session_uid) ?? [])));
    },
    async one(sessionUid) {
      const session = await catalog.session(sessionUid);
      return whole(session, await jobs.list({ sessionUid }));
    },
  };
}
