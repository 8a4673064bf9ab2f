import { ERRORS } from '#contracts/error-table.ts';
import type { Job, PanoramaJob } from '#contracts/http-central.ts';
import type { Tone } from '../components/tone.ts';
import { durationText, UNKNOWN } from '../live/format.ts';
import type { Problem } from '../live/http.ts';
import { lackOf } from './session-summary.ts';

/** What the page says about a job. Pure. */

export interface JobGroups {
  readonly running: readonly Job[];
  readonly waiting: readonly Job[];
  readonly ended: readonly Job[];
}

/** `jobs` newest first; those that wait come in the order in which they will be done. */
export function grouped(jobs: readonly Job[]): JobGroups {
  return {
    running: jobs.filter(({ state }) => state === 'running'),
    waiting: jobs.filter(({ state }) => state === 'queued').reverse(),
    ended: jobs.filter(({ state }) => state !== 'running' && state !== 'queued'),
  };
}

/** `CAM_L/2` → part 2 of the left camera. */
export function jobTitle({ kind, subject }: Pick<Job, 'kind' | 'subject'>): string {
  if (kind === 'panorama') return 'Panorama';
  const [camera = '', part = '1'] = subject.split('/');
  if (subject === 'panorama') return 'Thumbnail of the panorama';
  return part === '1' ? `Proxy of ${camera}` : `Proxy of ${camera}, part ${part}`;
}

const STATES: Readonly<Record<Job['state'], readonly [tone: Tone, word: string]>> = {
  queued: ['unknown', 'Waiting'],
  running: ['unknown', 'Running'],
  done: ['calm', 'Done'],
  failed: ['fault', 'Failed'],
  cancelled: ['unknown', 'Cancelled'],
};

export function jobState(job: Job): { tone: Tone; word: string } {
  const [tone, word] = STATES[job.state];
  const lacks = job.kind === 'panorama' && job.result ? lackOf(job.result) : null;
  if (job.state === 'done' && lacks !== null) return { tone: 'warning', word: `${word}, ${lacks}` };
  return { tone, word };
}

/** Coarser the longer it is: nobody knows the seconds of an hour. */
export function remainingText(seconds: number | null): string {
  if (seconds === null) return UNKNOWN;
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** `1.37 ×` real time. */
export function speedText(speed: number | null): string {
  return speed === null ? UNKNOWN : `${speed.toFixed(speed < 10 ? 2 : 1)} ×`;
}

/** From the first attempt's start to the end. */
export function tookText({ started_at, finished_at }: Job): string {
  if (started_at === null || finished_at === null) return UNKNOWN;
  return durationText((Date.parse(finished_at) - Date.parse(started_at)) / 1000);
}

export function settingsText({ settings }: PanoramaJob): string {
  const { calibration, match_exposure, overlap_px, width } = settings;
  const words = [
    calibration === 'auto'
      ? 'calibration automatic'
      : calibration === 'none'
        ? 'not calibrated'
        : `calibration ${calibration}`,
    match_exposure ? 'exposure matched' : 'exposure as recorded',
  ];
  if (overlap_px !== undefined) words.push(`overlap ${overlap_px} px`);
  if (width !== undefined) words.push(`${width} px wide`);
  return words.join(', ');
}

/** The running or waiting job that makes this recording playable, if there is one. */
export function proxyJobOf(jobs: readonly Job[], key: string): Job | undefined {
  return jobs.find(({ kind, subject }) => kind === 'proxy' && subject === key);
}

/** Why a job failed, and what to do. */
export function problemOfJob({ code, message }: NonNullable<Job['error']>): Problem {
  return { code, message, remedy: ERRORS[code].remedy };
}
