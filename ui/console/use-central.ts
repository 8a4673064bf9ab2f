import { createContext } from 'preact';
import { useCallback, useContext, useEffect, useReducer, useRef, useState } from 'preact/hooks';
import type { CentralSession, Device, Job } from '#contracts/http-central.ts';
import { centralRoutes } from '#contracts/routes.ts';
import { type Connection, useEvents } from '../live/events.ts';
import { getJson, type Problem, problemIn } from '../live/http.ts';
import { type CentralData, changed, NOTHING_YET } from './central-data.ts';

export interface Central {
  readonly data: CentralData;
  readonly connection: Connection;
  /** Why the last load failed; none while it is fine. */
  readonly problem: Problem | undefined;
  readonly reload: () => void;
  /** Takes in what an answer to a command said, before the event comes. */
  readonly heardJob: (job: Job) => void;
}

const Context = createContext<Central | undefined>(undefined);
export const CentralProvider = Context.Provider;

export function useCentralContext(): Central {
  const central = useContext(Context);
  if (!central) throw new Error('outside of the console');
  return central;
}

/** After a failed load the next try comes by itself. */
const RETRY_MS = 3000;

/** Loads everything, and keeps it up by the server's events. */
export function useCentral(): Central {
  const [data, change] = useReducer(changed, NOTHING_YET);
  const [problem, setProblem] = useState<Problem>();
  const loading = useRef<AbortController>(undefined);

  const reload = useCallback(() => {
    loading.current?.abort();
    const mine = new AbortController();
    loading.current = mine;
    change({ kind: 'load-begins' });
    Promise.all([
      getJson<{ sessions: CentralSession[] }>(centralRoutes.sessions, mine.signal),
      getJson<{ jobs: Job[] }>(centralRoutes.jobs, mine.signal),
      getJson<{ devices: Device[] }>(centralRoutes.devices, mine.signal),
    ]).then(
      (lists) => {
        if (mine.signal.aborted) return;
        const [{ sessions }, { jobs }, { devices }] = lists;
        setProblem(undefined);
        change({ kind: 'loaded', sessions, jobs, devices });
      },
      (error: unknown) => {
        if (mine.signal.aborted) return;
        mine.abort();
        setProblem(problemIn(error));
        setTimeout(() => loading.current === mine && reload(), RETRY_MS);
      },
    );
  }, []);
  const connection = useEvents(centralRoutes.events, {
    reset: reload,
    session: (session) => change({ kind: 'session', session: session as CentralSession }),
    job: (job) => change({ kind: 'job', job: job as Job }),
    device: (device) => change({ kind: 'device', device: device as Device }),
  });
  // The first list does not wait for the stream of events.
  useEffect(() => {
    reload();
    return () => loading.current?.abort();
  }, [reload]);
  const heardJob = useCallback((job: Job) => change({ kind: 'job', job }), []);
  return { data, connection, problem, reload, heardJob };
}
