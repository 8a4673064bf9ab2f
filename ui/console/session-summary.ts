import type { CentralSession, Job } from '#contracts/http-central.ts';
import type { PanoramaResult } from '#contracts/panorama.ts';
import type { Tone } from '../components/tone.ts';
import { count, lengthText } from '../live/format.ts';

/** What a card of the list says about a session, decided from the session and its jobs. Pure. */

export interface SessionSummary {
  readonly state:
    | 'coming-in'
    | 'panorama-running'
    | 'panorama-failed'
    | 'proxies'
    | 'proxy-failed'
    | 'waiting'
    | 'done'
    | 'complete';
  readonly tone: Tone;
  readonly words: string;
  /** 0 to 1 of what runs; null when nothing does. */
  readonly progress: number | null;
  readonly cameras: readonly CameraSummary[];
}

/** `unfinished`: some of it is here. */
export interface CameraSummary {
  readonly camera: string;
  readonly state: 'here' | 'unfinished' | 'missing';
}

/** Cameras begin and end a little apart, and no panorama has that; beyond this it lacks something of the match. Seconds. */
export const LEFT_OUT_MIN_SEC = 1;

/** `jobs` are the session's, the newest first. */
export function summarizeSession(session: CentralSession, jobs: readonly Job[]): SessionSummary {
  const sent = new Set(session.recordings.map((recording) => recording.camera_id));
  const missing = new Set(session.missing);
  const cameras = session.cameras.map(
    (camera): CameraSummary => ({
      camera,
      state: !missing.has(camera) ? 'here' : sent.has(camera) ? 'unfinished' : 'missing',
    }),
  );
  const base = { cameras, progress: null };
  const proxies = newestOfEachSubject(jobs, 'proxy');
  const panorama = jobs.find((job) => job.kind === 'panorama');
  if (!session.complete) {
    const here = cameras.filter(({ state }) => state === 'here').length;
    const words = `Coming in, ${here} of ${count(cameras.length, 'camera')}`;
    return { ...base, state: 'coming-in', tone: 'unknown', words };
  }
  if (panorama?.state === 'running')
    return {
      ...base,
      state: 'panorama-running',
      tone: 'unknown',
      words: `Panorama ${percent(panorama.progress)}`,
      progress: panorama.progress,
    };
  const making = proxies.filter((job) => job.state === 'running' || job.state === 'queued');
  if (making.length > 0) {
    const ready = proxies.filter((job) => job.state === 'done').length;
    const progress =
      proxies.reduce((sum, job) => sum + (job.state === 'done' ? 1 : job.progress), 0) / proxies.length;
    return {
      ...base,
      state: 'proxies',
      tone: 'unknown',
      words: `Proxies, ${ready} of ${proxies.length} made`,
      progress,
    };
  }
  if (panorama?.state === 'queued')
    return { ...base, state: 'waiting', tone: 'unknown', words: 'Panorama waits for a worker' };
  if (panorama?.state === 'failed' && !session.panorama)
    return { ...base, state: 'panorama-failed', tone: 'fault', words: 'Panorama failed' };
  if (proxies.some((job) => job.state === 'failed'))
    return { ...base, state: 'proxy-failed', tone: 'warning', words: 'A proxy failed' };
  const lacks = session.panorama ? lackOf(session.panorama.result) : null;
  if (lacks !== null) return { ...base, state: 'done', tone: 'warning', words: `Panorama: ${lacks}` };
  if (session.panorama) return { ...base, state: 'done', tone: 'calm', words: 'Panorama ready' };
  return { ...base, state: 'complete', tone: 'calm', words: 'Complete, no panorama' };
}

/** What a panorama does not show of the match, in a few words; null when that is nothing to speak of. */
export function lackOf({ uncovered_sec, missing }: PanoramaResult): string | null {
  if (uncovered_sec > LEFT_OUT_MIN_SEC) return `${lengthText(uncovered_sec)} missing`;
  const blackSec = new Map<string, number>();
  for (const { camera_id, from, to } of missing)
    blackSec.set(camera_id, (blackSec.get(camera_id) ?? 0) + (Date.parse(to) - Date.parse(from)) / 1000);
  const cameras = [...blackSec].filter(([, seconds]) => seconds > LEFT_OUT_MIN_SEC);
  if (cameras.length === 0) return null;
  return cameras.map(([camera, seconds]) => `${camera} missing for ${lengthText(seconds)}`).join(', ');
}

/** A card is as wide as a camera's picture: of a panorama it would show a strip. */
export function thumbnailOf({ recordings, thumbnail_url }: CentralSession): string | null {
  const pictures = recordings.filter((recording) => recording.thumbnail_url !== null);
  const center = pictures.find(({ position }) => position === 'center') ?? pictures[0];
  return center?.thumbnail_url ?? thumbnail_url;
}

/** Of each camera and part, the job that was asked for last. */
export function newestOfEachSubject<K extends Job['kind']>(
  jobs: readonly Job[],
  kind: K,
): Extract<Job, { kind: K }>[] {
  const found = new Map<string, Extract<Job, { kind: K }>>();
  for (const job of jobs)
    if (job.kind === kind && !found.has(job.subject))
      found.set(job.subject, job as Extract<Job, { kind: K }>);
  return [...found.values()];
}

/** `0.427` → `42 %`: never 100 before the end. */
export function percent(progress: number): string {
  return `${Math.floor(Math.min(1, Math.max(0, progress)) * 100)} %`;
}
