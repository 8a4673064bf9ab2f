import { existsSync } from 'node:fs';
import { rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import {
  concatList,
  type Encoding,
  type Graph,
  joinArguments,
  stitchArguments,
  type ViewInput,
} from '#domain/panorama/ffmpeg-arguments.ts';
import { progressReader, type StitchProgress } from '#domain/panorama/progress.ts';
import type { Segment } from '#domain/panorama/segments.ts';
import type { JobContext } from '#ports/jobs/jobs.ts';
import { runJobProgram } from '#ports/program/job-program.ts';
import type { Probe } from './source.ts';

/** A segment, and what it is made of. */
export interface Piece extends Segment {
  readonly inputs: readonly ViewInput[];
  readonly graph: Graph;
}

export interface Encode {
  readonly ffmpegPath: string;
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly encoding: Encoding;
  /** One after the other, without gaps. */
  readonly segments: readonly Piece[];
  /** Where finished segments are found again; all of them made by the same findings, files and encoding. */
  readonly folder: string;
  readonly atOnce: number;
  readonly probe: Probe;
  readonly context: JobContext;
  /** Throws `insufficient_storage` when there is no room for so many bytes. */
  readonly assertRoomFor: (bytes: number) => Promise<void>;
}

/** By manifest a recording may seem a little longer than it is. */
const MISSING_AT_END_SEC = 0.5;

interface Finished {
  readonly file: string;
  readonly frames: number;
}

/**
 * Encodes the segments that are not there yet, some at once, and joins all into `panorama.mp4`. A segment has its name once it
 * is whole. Throws `job_failed` when one is not as planned. Returns the path and what is in it.
 */
export async function encodeAndJoin(work: Encode): Promise<{ path: string; frames: number }> {
  const { segments, folder, encoding, fps, context, probe, ffmpegPath } = work;
  const finished = new Map<number, Finished>();
  const report = progressOfAll(work);
  for (const segment of segments) {
    const file = join(folder, nameOf(segment));
    const frames = await framesOfKept(work, segment, file);
    if (frames === undefined) continue;
    finished.set(segment.index, { file, frames });
    context.log(`segment ${segment.index + 1} of ${segments.length} is there from an earlier run`);
  }

  report.done(finished.keys());
  const waiting = segments.filter(({ index }) => !finished.has(index));
  const others = new AbortController();
  const signal = AbortSignal.any([context.signal, others.signal]);
  const worker = async (): Promise<void> => {
    for (let segment = waiting.shift(); segment; segment = waiting.shift()) {
      finished.set(segment.index, await encode(work, segment, signal, report.of(segment)));
      report.done([segment.index]);
      context.log(`segment ${segment.index + 1} of ${segments.length} is encoded`);
    }
  };
  const ended = await Promise.allSettled(
    Array.from({ length: Math.max(1, Math.min(work.atOnce, waiting.length)) }, () =>
      worker().catch((error: unknown) => {
        others.abort(error);
        throw error;
      }),
    ),
  );
  context.signal.throwIfAborted();
  if (others.signal.aborted) throw others.signal.reason;
  for (const each of ended) if (each.status === 'rejected') throw each.reason;

  const all = segments.flatMap(({ index }) => finished.get(index) ?? []);
  const frames = all.reduce((sum, each) => sum + each.frames, 0);
  const sizes = await Promise.all(all.map(({ file }) => stat(file)));
  await work.assertRoomFor(sizes.reduce((sum, { size }) => sum + size, 0));
  const path = join(folder, 'panorama.mp4');
  const list = join(folder, 'segments.ffconcat');
  await writeFile(list, concatList(all, fps));
  await runJobProgram({
    path: ffmpegPath,
    args: joinArguments(list, encoding.codec, path),
    signal: context.signal,
    onLogLine: context.log,
  });
  const made = await probe(path);
  assertMade(work, 'the panorama', made, frames);
  return { path, frames };
}

/** Says which frames it holds: cut in another way, it is another file. Which files show them is the same in all of a folder. */
const nameOf = ({ firstFrame, frames }: Segment): string => `segment-${firstFrame}-${frames}.mp4`;

async function encode(
  work: Encode,
  segment: Piece,
  signal: AbortSignal,
  onProgress: (progress: StitchProgress) => void,
): Promise<Finished> {
  const { ffmpegPath, fps, encoding, folder, context } = work;
  const file = join(folder, nameOf(segment));
  const unfinished = `${file}.part`;
  const read = progressReader(segment.frames / fps);
  await runJobProgram({
    path: ffmpegPath,
    args: stitchArguments({
      ...{ fps, encoding, inputs: segment.inputs, graph: segment.graph },
      firstFrame: segment.firstFrame,
      frames: segment.frames,
      output: unfinished,
    }),
    signal,
    onProgressLine(line) {
      const news = read(line);
      if (news) onProgress(news);
    },
    onLogLine: context.log,
  });
  const frames = await framesOf(work, segment, unfinished);
  await rename(unfinished, file);
  return { file, frames };
}

/** Frames of a segment that an earlier run left; undefined when there is none, or a damaged one. */
async function framesOfKept(work: Encode, segment: Segment, file: string): Promise<number | undefined> {
  if (!existsSync(file)) return undefined;
  try {
    return await framesOf(work, segment, file);
  } catch (error) {
    if (!(error instanceof TouchlineError)) throw error;
    work.context.log(`segment ${segment.index + 1} of an earlier run is encoded again: ${error.message}`);
    return undefined;
  }
}

/** Frames of a segment's file. Throws `job_failed` when it is not as planned. */
async function framesOf(work: Encode, segment: Segment, file: string): Promise<number> {
  const { probe, segments, fps } = work;
  const name = `segment ${segment.index + 1}`;
  const made = await probe(file);
  const isLast = segment.index === segments.length - 1;
  const frames = made.frames ?? Math.round(made.durationSec * fps);
  // Only at the end of the span can a recording be shorter than its manifest says.
  const missing = segment.frames - frames;
  if (missing !== 0 && !(isLast && missing > 0 && missing <= MISSING_AT_END_SEC * fps))
    throw new TouchlineError(
      'job_failed',
      `${name} has ${frames} frames; by the manifests it should have ${segment.frames}`,
    );
  assertMade(work, name, made, frames);
  return frames;
}

function assertMade(
  { width, height, fps }: Encode,
  name: string,
  made: { width: number; height: number; durationSec: number; frames: number | null },
  frames: number,
): void {
  if (made.width !== width || made.height !== height)
    throw new TouchlineError(
      'job_failed',
      `${name} is ${made.width}x${made.height}; it should be ${width}x${height}`,
    );
  if ((made.frames !== null && made.frames !== frames) || Math.abs(made.durationSec - frames / fps) > 1 / fps)
    throw new TouchlineError(
      'job_failed',
      `${name} has ${made.frames ?? 'unknown'} frames in ${made.durationSec} s; it should have ${frames} in ${frames / fps} s`,
    );
}

/** One progress of all segments: their shares by frames, their speeds added. */
function progressOfAll({ segments, context, fps }: Encode) {
  const total = segments.reduce((sum, { frames }) => sum + frames, 0);
  const states = new Map<number, StitchProgress>();
  const tell = (): void => {
    let done = 0;
    let speed = 0;
    for (const { index, frames } of segments) {
      const state = states.get(index);
      done += (state?.progress ?? 0) * frames;
      if (state && state.progress < 1) speed += state.speed ?? 0;
    }
    // Between two segments the speed of the one that ended is still the best that is known.
    if (speed === 0) speed = Math.max(0, ...[...states.values()].map((state) => state.speed ?? 0));
    context.progress({
      progress: done / total,
      speed: speed > 0 ? speed : null,
      remainingSec: speed > 0 ? (total - done) / fps / speed : null,
    });
  };
  return {
    done(indexes: Iterable<number>): void {
      for (const index of indexes)
        states.set(index, { progress: 1, speed: states.get(index)?.speed ?? null, remainingSec: 0 });
      tell();
    },
    of: (segment: Segment) => (progress: StitchProgress) => {
      states.set(segment.index, progress);
      tell();
    },
  };
}
