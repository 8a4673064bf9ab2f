import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { ProxyResult, VideoFacts } from '#contracts/http-central.ts';
import { centralLayout } from '#contracts/layout.ts';
import { type FilmIndex, frameRate, middleUs } from '#domain/film/index-of-film.ts';
import { differenceOf, proxyArguments, reasonToEncode, thumbnailArguments } from '#domain/film/proxy.ts';
import { progressReader } from '#domain/panorama/progress.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import type { Executor, JobContext } from '#ports/jobs/jobs.ts';
import { runJobProgram } from '#ports/program/job-program.ts';
import { readIndex } from './read-index.ts';
import { PANORAMA_SUBJECT, type ProxyRecording, type ProxySession, subjectOf } from './subjects.ts';

export interface ProxyParts {
  readonly store: BlobStore;
  readonly ffmpegPath: string;
  readonly minFreeBytes: number;
  /** Rejects with `not_found`. */
  readonly session: (sessionUid: string) => Promise<ProxySession>;
  readonly probe: (
    path: string,
  ) => Promise<{ width: number; height: number; durationSec: number; frames: number | null }>;
  /** What was just stored under a name has this hash. */
  readonly noteHash: (name: string, sha256: string) => Promise<void>;
  readonly noteFacts: (of: ProxyRecording & { session_uid: string }, facts: VideoFacts) => Promise<void>;
}

/**
 * Makes of a recording what every browser plays: faststart H.264, at most 1280 wide, frame n is frame n of the
 * original; and its middle frame as a picture. Of a panorama the picture alone.
 */
export function proxyExecutor(parts: ProxyParts): Executor<'proxy'> {
  return async (job, context) => {
    const session = await parts.session(job.session_uid);
    try {
      if (job.subject === PANORAMA_SUBJECT) return await panoramaThumbnail(parts, session, context);
      const recording = session.recordings.find((one) => subjectOf(one) === job.subject);
      if (!recording) throw new TouchlineError('job_failed', `the session has no recording ${job.subject}`);
      return await recordingProxy(parts, session, recording, context);
    } finally {
      // Half a proxy is of no use to the next run, and large.
      for (const name of await readdir(context.scratch)) await rm(join(context.scratch, name));
    }
  };
}

async function recordingProxy(
  parts: ProxyParts,
  session: ProxySession,
  recording: ProxyRecording,
  context: JobContext,
): Promise<ProxyResult> {
  const { folder, session_uid } = session;
  const { camera_id, part } = recording;
  await assertSpace(parts, recording.size_bytes);
  const original = await readIndex(parts.ffmpegPath, recording.file, context.signal, context.log);
  const reason = reasonToEncode(original);
  context.log(reason === undefined ? 'the pictures are taken as they are' : `encoded again: ${reason}`);

  const made = join(context.scratch, 'proxy.mp4');
  const read = progressReader(original.durationUs / 1e6);
  await runJobProgram({
    path: parts.ffmpegPath,
    args: proxyArguments({ from: recording.file, to: made }, reason !== undefined),
    signal: context.signal,
    onProgressLine(line) {
      const news = read(line);
      if (news) context.progress(news);
    },
    onLogLine: context.log,
  });
  const proxy = await readIndex(parts.ffmpegPath, made, context.signal, context.log);
  const difference = differenceOf(original, proxy);
  if (difference !== undefined)
    throw new TouchlineError('job_failed', `the proxy cannot stand for the recording: ${difference}`);

  const picture = await thumbnail(parts, made, exactly(proxy), context);
  const thumbnailPath = await publish(parts, picture, centralLayout.thumbnail(folder, camera_id, part));
  const file = await publish(parts, made, centralLayout.proxy(folder, camera_id, part));
  await parts.noteFacts({ ...recording, session_uid }, factsOf(original));
  return {
    file,
    thumbnail: thumbnailPath,
    copied: reason === undefined,
    width: proxy.width,
    height: proxy.height,
    frames: proxy.shownUs.length,
    duration_sec: proxy.durationUs / 1e6,
    fps: frameRate(proxy),
  };
}

async function panoramaThumbnail(
  parts: ProxyParts,
  { folder }: ProxySession,
  context: JobContext,
): Promise<ProxyResult> {
  const panorama = await parts.store.find(centralLayout.panorama(folder));
  if (!panorama) throw new TouchlineError('job_failed', 'the session has no panorama');
  const { width, height, durationSec, frames } = await parts.probe(panorama.path);
  const picture = await thumbnail(parts, panorama.path, (durationSec / 2) * 1e6, context);
  return {
    file: null,
    thumbnail: await publish(parts, picture, centralLayout.panoramaThumbnail(folder)),
    copied: false,
    width,
    height,
    frames: frames ?? 0,
    duration_sec: durationSec,
    fps: frames === null ? 0 : Math.round((frames / durationSec) * 100) / 100,
  };
}

/** A little before the middle frame: ffmpeg takes the first frame at or after a time. */
function exactly(film: FilmIndex): number {
  return Math.max(0, middleUs(film) - 1e6 / (frameRate(film) || 1) / 2);
}

async function thumbnail(
  { ffmpegPath }: ProxyParts,
  film: string,
  atUs: number,
  context: JobContext,
): Promise<string> {
  const picture = join(context.scratch, 'thumbnail.jpg');
  await runJobProgram({
    path: ffmpegPath,
    args: thumbnailArguments({ from: film, to: picture }, atUs),
    signal: context.signal,
    onLogLine: context.log,
  });
  return picture;
}

/** Gives a finished file its name. Returns its path. */
async function publish({ store, noteHash }: ProxyParts, made: string, name: string): Promise<string> {
  const draft = await store.adopt(made);
  await draft.commit(name);
  await noteHash(name, draft.sha256);
  return (await store.find(name))?.path ?? name;
}

async function assertSpace({ store, minFreeBytes }: ProxyParts, needed: number): Promise<void> {
  const free = await store.freeBytes();
  if (free - needed < minFreeBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${free} bytes are free, a proxy may need ${needed}, and ${minFreeBytes} have to stay free`,
      { details: { free_bytes: free, needed_bytes: needed, min_free_bytes: minFreeBytes } },
    );
}

const OUR_NAMES: Readonly<Record<string, string>> = { hevc: 'h265' };

function factsOf(film: FilmIndex): VideoFacts {
  return {
    codec: OUR_NAMES[film.codec] ?? film.codec,
    width: film.width,
    height: film.height,
    fps: frameRate(film),
    frames: film.shownUs.length,
    duration_sec: film.durationUs / 1e6,
  };
}
