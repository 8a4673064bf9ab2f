import { setTimeout as wait } from 'node:timers/promises';
import { TouchlineError } from '#contracts/errors.ts';
import type { CentralEvents, Job } from '#contracts/http-central.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { JobQueue } from '#ports/jobs/jobs.ts';
import type { EventStream } from '#runtime/event-stream.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import type { Catalog } from '../ingest/catalog.ts';
import type { Sessions } from './sessions.ts';

export interface ChangesParts {
  readonly catalog: Catalog;
  readonly jobs: JobQueue;
  readonly sessions: Sessions;
  readonly stream: EventStream<CentralEvents>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Several changes of one session within this time are told as one. */
const GATHER_MS = 150;

/** Tells the event stream what changes in the database, whichever process changes it. */
export function createChanges(parts: ChangesParts): Unit {
  const { catalog, jobs, sessions, stream, clock, log } = parts;
  const changed = new Set<string>();
  const ending = new AbortController();
  let telling: Promise<void> | undefined;
  let stops: (() => Promise<void>)[] = [];

  const missed = (): void => stream.publish('reset', { at: toWireTime(clock.wallUs()) });
  const tell = async (sessionUid: string): Promise<void> => {
    try {
      stream.publish('session', await sessions.one(sessionUid));
    } catch (error) {
      // A rig tells of its sessions before anything of them arrives.
      if (error instanceof TouchlineError && error.code === 'not_found') return;
      log.info({ err: error, session: sessionUid }, 'a session changed that cannot be read now');
      missed();
    }
  };
  const tellAll = async (): Promise<void> => {
    while (changed.size > 0 && !ending.signal.aborted) {
      await wait(GATHER_MS);
      const gathered = [...changed];
      changed.clear();
      for (const sessionUid of gathered) await tell(sessionUid);
    }
    telling = undefined;
  };
  const note = (sessionUid: string): void => {
    changed.add(sessionUid);
    telling ??= tellAll();
  };
  const onJob = (job: Job): void => {
    stream.publish('job', job);
    // What it made belongs to the session.
    if (job.finished_at !== null) note(job.session_uid);
  };

  return {
    async start() {
      stops = [
        catalog.watch((uid) => (uid === 'missed' ? missed() : note(uid))),
        await jobs.watch((job) => (job === 'missed' ? missed() : onJob(job))),
      ];
    },
    async stop() {
      ending.abort();
      for (const stop of stops) await stop();
      await telling;
    },
  };
}
