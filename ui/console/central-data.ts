import type { CentralSession, Device, Job } from '#contracts/http-central.ts';

/** What the page knows of central: loaded once, then kept up by events. Pure. */

export interface CentralData {
  /** False until the first load is there. */
  readonly loaded: boolean;
  readonly sessions: ReadonlyMap<string, CentralSession>;
  readonly jobs: ReadonlyMap<string, Job>;
  readonly devices: ReadonlyMap<string, Device>;
  /** Keys that an event brought since the running load began: they are newer than what it will bring. */
  readonly touched: ReadonlySet<string>;
}

export type CentralChange =
  | { readonly kind: 'load-begins' }
  | {
      readonly kind: 'loaded';
      readonly sessions: readonly CentralSession[];
      readonly jobs: readonly Job[];
      readonly devices: readonly Device[];
    }
  | { readonly kind: 'session'; readonly session: CentralSession }
  | { readonly kind: 'job'; readonly job: Job }
  | { readonly kind: 'device'; readonly device: Device };

export const NOTHING_YET: CentralData = {
  loaded: false,
  sessions: new Map(),
  jobs: new Map(),
  devices: new Map(),
  touched: new Set(),
};

export function changed(data: CentralData, change: CentralChange): CentralData {
  switch (change.kind) {
    case 'load-begins':
      return { ...data, touched: new Set() };
    case 'loaded':
      return {
        loaded: true,
        touched: new Set(),
        sessions: reloaded(data, data.sessions, change.sessions, sessionKey),
        jobs: reloaded(data, data.jobs, change.jobs, jobKey),
        devices: reloaded(data, data.devices, change.devices, deviceKey),
      };
    case 'session':
      return { ...data, ...put(data, data.sessions, sessionKey(change.session), change.session, 'sessions') };
    case 'job':
      return { ...data, ...put(data, data.jobs, jobKey(change.job), change.job, 'jobs') };
    case 'device':
      return { ...data, ...put(data, data.devices, deviceKey(change.device), change.device, 'devices') };
  }
}

const sessionKey = (session: CentralSession): string => session.session_uid;
const jobKey = (job: Job): string => job.job_id;
export const deviceKey = ({ rig, camera_id }: Device): string => `${rig}/${camera_id}`;

function put<T>(data: CentralData, map: ReadonlyMap<string, T>, key: string, value: T, name: string) {
  return { [name]: new Map(map).set(key, value), touched: new Set(data.touched).add(key) };
}

/** What the server has now, but for what it said since it was asked. */
function reloaded<T>(
  { touched }: CentralData,
  known: ReadonlyMap<string, T>,
  loaded: readonly T[],
  keyOf: (each: T) => string,
): ReadonlyMap<string, T> {
  const next = new Map(loaded.map((each) => [keyOf(each), each]));
  for (const [key, each] of known) if (touched.has(key)) next.set(key, each);
  return next;
}

/** The newest first. Uids sort by time, and are there before a start is known. */
export function sessionsInOrder(data: CentralData): CentralSession[] {
  return [...data.sessions.values()].sort((a, b) => (a.session_uid < b.session_uid ? 1 : -1));
}

/** All jobs of a session, the newest first: those it came with, and what was heard of them since. */
export function jobsOf(data: CentralData, session: CentralSession): Job[] {
  const jobs = new Map(session.jobs.map((job) => [job.job_id, job]));
  for (const job of data.jobs.values())
    if (job.session_uid === session.session_uid) jobs.set(job.job_id, job);
  return newestFirst([...jobs.values()]);
}

export function newestFirst(jobs: readonly Job[]): Job[] {
  return [...jobs].sort((a, b) => (a.created_at < b.created_at ? 1 : a.created_at > b.created_at ? -1 : 0));
}
