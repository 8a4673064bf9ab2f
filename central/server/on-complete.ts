import { PanoramaSettings } from '#contracts/panorama.ts';
import type { JobQueue, JobRequest } from '#ports/jobs/jobs.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Catalog } from '../ingest/catalog.ts';

export interface OnComplete {
  /** Something of a session arrived. Never rejects: the recording is stored, and `catchUp` comes again. */
  changed(sessionUid: string): Promise<void>;
  /** Complete sessions that never had a job get one. */
  catchUp(): Promise<void>;
}

const panoramaOf = (sessionUid: string): JobRequest => ({
  kind: 'panorama',
  session_uid: sessionUid,
  subject: '',
  settings: PanoramaSettings.parse({}),
});

/** Asks for the panorama when all cameras of a session are there, and again when something new arrives. */
export function panoramaOnComplete(parts: {
  catalog: Catalog;
  jobs: JobQueue;
  log: Logger;
  enabled: boolean;
}): OnComplete {
  const { catalog, jobs, log, enabled } = parts;
  return {
    async changed(sessionUid) {
      if (!enabled) return;
      try {
        if (!(await catalog.session(sessionUid)).complete) return;
        const job = await jobs.enqueue(panoramaOf(sessionUid), 'join');
        log.info({ session: sessionUid, job: job.job_id }, 'the session is complete: its panorama is queued');
      } catch (error) {
        log.error({ err: error, session: sessionUid }, 'the panorama could not be queued');
      }
    },
    async catchUp() {
      if (!enabled) return;
      for (const session of await catalog.sessions()) {
        if (!session.complete) continue;
        const known = await jobs.list({ sessionUid: session.session_uid });
        if (known.some((job) => job.kind === 'panorama')) continue;
        await jobs.enqueue(panoramaOf(session.session_uid), 'join');
      }
    },
  };
}
