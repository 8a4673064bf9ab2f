import type { CentralRecording, CentralSession } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';

/** Where each recording of a session lies on the one clock they share. Seconds from the first frame of the session. Pure. */

export interface Clip {
  readonly key: string;
  readonly startSec: number;
  readonly endSec: number;
  readonly fps: number;
  /** Null until there is something that a browser plays. */
  readonly url: string | null;
  readonly part: number;
}

export interface Hole {
  readonly fromSec: number;
  readonly toSec: number;
  /** `gap`: frames are missing within a file. `nothing`: there is no file. */
  readonly kind: 'gap' | 'nothing';
  readonly words: string;
  /** The recording whose manifest tells of it. */
  readonly key?: string;
  readonly frames?: number;
  readonly reason?: string;
}

export interface Track {
  readonly name: string;
  readonly clips: readonly Clip[];
  readonly holes: readonly Hole[];
}

export interface Timeline {
  readonly startUs: number;
  readonly durationSec: number;
  readonly tracks: readonly Track[];
  /** Recordings that do not say when they began or how long they are: they cannot be placed. */
  readonly unplaced: readonly CentralRecording[];
}

/** Cameras begin a frame or so apart; what is shorter than this is no hole. */
const HOLE_MIN_SEC = 0.5;
const FPS_UNKNOWN = 30;

/** `manifests` by `recordingKey`: what is known of the gaps within the files. */
export function timelineOf(session: CentralSession, manifests: ReadonlyMap<string, Manifest>): Timeline {
  const placed = session.recordings.flatMap((recording) => {
    const { started_at, duration_sec } = recording;
    return started_at === null || duration_sec === null
      ? []
      : [{ recording, startUs: epochUs(started_at), duration_sec }];
  });
  const startUs = Math.min(...placed.map((each) => each.startUs));
  const clips = placed.map(({ recording, startUs: at, duration_sec }) => ({
    recording,
    clip: {
      key: recordingKey(recording),
      startSec: (at - startUs) / 1e6,
      endSec: (at - startUs) / 1e6 + duration_sec,
      fps: recording.fps ?? FPS_UNKNOWN,
      url: recording.proxy_url,
      part: recording.part,
    },
  }));
  const durationSec = Math.max(0, ...clips.map(({ clip }) => clip.endSec));
  const tracks = session.cameras.map((name) => {
    const mine = clips
      .filter(({ recording }) => recording.camera_id === name)
      .sort((a, b) => a.clip.startSec - b.clip.startSec);
    const gaps = mine.flatMap(({ recording, clip }) => gapsOf(manifests.get(clip.key), recording, startUs));
    return {
      name,
      clips: mine.map(({ clip }) => clip),
      holes: [
        ...between(
          mine.map(({ clip }) => clip),
          durationSec,
        ),
        ...gaps,
      ].sort((a, b) => a.fromSec - b.fromSec),
    };
  });
  const known = new Set(placed.map(({ recording }) => recording));
  return {
    startUs: placed.length > 0 ? startUs : 0,
    durationSec,
    tracks,
    unplaced: session.recordings.filter((recording) => !known.has(recording)),
  };
}

/** The panorama on the same clock. */
export function panoramaTrack({ panorama, jobs }: CentralSession, { startUs }: Timeline): Track | null {
  if (!panorama) return null;
  const { from, duration_sec, fps } = panorama.result;
  const startSec = (epochUs(from) - startUs) / 1e6;
  const made = jobs.find(({ kind, state }) => kind === 'panorama' && state === 'done');
  return {
    name: 'panorama',
    holes: [],
    clips: [
      // A panorama made again has the same address: the job that made it tells them apart.
      {
        key: `panorama ${made?.job_id ?? ''}`,
        startSec,
        endSec: startSec + duration_sec,
        fps,
        url: panorama.url,
        part: 1,
      },
    ],
  };
}

export function recordingKey({ camera_id, part }: { camera_id: string; part: number }): string {
  return `${camera_id}/${part}`;
}

/** The clip that has a frame for this moment, or whose first or last frame is so near that its absence is no hole. */
export function clipAt(clips: readonly Clip[], atSec: number): Clip | null {
  return (
    clips.findLast((clip) => covers(clip, atSec)) ??
    clips.find((clip) => atSec > clip.startSec - HOLE_MIN_SEC && atSec < clip.endSec + HOLE_MIN_SEC) ??
    null
  );
}

/** Whether a frame of the clip is the nearest to this moment, not only its first or last for lack of a nearer. */
export function covers({ startSec, endSec, fps }: Clip, atSec: number): boolean {
  return atSec >= startSec - 0.5 / fps && atSec < endSec;
}

/** Why a track has no picture at this moment; null when it has one. A gap says more than that there is nothing. */
export function holeAt({ holes }: Track, atSec: number): Hole | null {
  const here = holes.filter((hole) => atSec >= hole.fromSec && atSec < hole.toSec);
  return here.find(({ kind }) => kind === 'gap') ?? here[0] ?? null;
}

/** Whether a camera has yet to begin at this moment, or has ended; a frame or two are the skew of free-running cameras. */
export function standingOf({ clips }: Track, atSec: number): 'before' | 'within' | 'after' {
  const first = clips[0];
  if (!first) return 'within';
  const skewSec = 2 / first.fps;
  if (atSec < first.startSec - skewSec) return 'before';
  return clips.every(({ endSec }) => atSec > endSec + skewSec) ? 'after' : 'within';
}

function between(clips: readonly Clip[], durationSec: number): Hole[] {
  const holes: Hole[] = [];
  let endSec = 0;
  for (const [fromSec, toSec] of [
    ...clips.map((clip) => [clip.startSec, clip.endSec] as const),
    [durationSec, durationSec] as const,
  ]) {
    if (fromSec - endSec > HOLE_MIN_SEC)
      holes.push({ fromSec: endSec, toSec: fromSec, kind: 'nothing', words: 'Nothing recorded' });
    endSec = Math.max(endSec, toSec);
  }
  return holes;
}

/** Gaps are told by the clock that the manifest's start is told by. */
function gapsOf(manifest: Manifest | undefined, recording: CentralRecording, startUs: number): Hole[] {
  const { started_at } = recording;
  if (!manifest?.touchline || started_at === null) return [];
  const shiftUs = epochUs(started_at) - epochUs(manifest.timing.start_time) - startUs;
  return manifest.touchline.gaps.map((gap) => ({
    fromSec: Math.max(0, (epochUs(gap.from) + shiftUs) / 1e6),
    toSec: (epochUs(gap.to) + shiftUs) / 1e6,
    kind: 'gap',
    key: recordingKey(recording),
    frames: gap.frames,
    reason: gap.reason,
    words: `${gap.frames} frames missing: ${gap.reason}`,
  }));
}

/** RFC 3339 in UTC → microseconds since 1970. `Date` alone would cut it to milliseconds. */
export function epochUs(wireTime: string): number {
  const [whole = '', fraction = ''] = wireTime.replace('Z', '').split('.');
  return Date.parse(`${whole}Z`) * 1000 + Number(fraction.padEnd(6, '0').slice(0, 6));
}
