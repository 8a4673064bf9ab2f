import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';

import { centralLayout } from '#contracts/layout.ts';
import type { PanoramaResult } from '#contracts/panorama.ts';
import type { ServerConfig } from '#contracts/server-config.ts';
import { toWireTime } from '#contracts/time.ts';
import { stitchArguments } from '#domain/panorama/ffmpeg-arguments.ts';
import { progressReader } from '#domain/panorama/progress.ts';
import type { BlobStore } from '#ports/blobs/blobs.ts';
import type { Executor, JobContext } from '#ports/jobs/jobs.ts';
import { runFfmpeg } from '#ports/program/ffmpeg.ts';
import { type PanoramaPlan, planPanorama, type Source } from './plan.ts';

export interface PanoramaParts {
  readonly store: BlobStore;
  readonly processing: ServerConfig['processing'];
  readonly minFreeBytes: number;
  /** Rejects with `not_found`. */
  readonly session: (sessionUid: string) => Promise<{ folder: string; recordings: readonly Source[] }>;
  readonly probe: (path: string) => Promise<{
    width: number;
    height: number;
    durationSec: number;
    leadSec: number;
    frames: number | null;
  }>;
}

/** How much shorter or longer than planned a panorama may be, seconds. */
const LENGTH_TOLERANCE_SEC = 0.5;

/** Makes the panorama of a session: uncalibrated, the views side by side, cut to their common span. */
export function panoramaExecutor(parts: PanoramaParts): Executor<'panorama'> {
  return async (job, context) => {
    const { store } = parts;
    const session = await parts.session(job.session_uid);
    const plan = planPanorama(session.recordings, parts.processing.stitch_overlap_px);
    for (const note of plan.notes) context.log(note);
    await assertSpace(parts);

    {
      const folder = context.scratch;
      const output = join(folder, 'panorama.mp4');
      await stitch(parts, plan, output, context);
      const made = await parts.probe(output);
      assertAsPlanned(plan, made);
      const draft = await store.adopt(output);
      const name = centralLayout.panorama(session.folder);
      await draft.commit(name);
      return describe(plan, {
        file: (await store.find(name))?.path ?? name,
        durationSec: made.durationSec,
        frames: made.frames ?? plan.frames,
      });
    }
  };
}

async function stitch(
  { processing, probe }: PanoramaParts,
  plan: PanoramaPlan,
  output: string,
  context: JobContext,
): Promise<void> {
  const inputs = await Promise.all(
    plan.span.views.map(async (view) => ({
      path: view.file,
      offsetSec: (plan.span.fromUs - view.startUs) / 1e6,
      leadSec: (await probe(view.file)).leadSec,
    })),
  );
  const read = progressReader(plan.frames / plan.fps);
  await runFfmpeg({
    path: processing.ffmpeg_path,
    args: stitchArguments({
      inputs,
      layout: plan.layout,
      fps: plan.fps,
      frames: plan.frames,
      codec: processing.output_codec,
      preset: processing.output_preset,
      output,
    }),
    signal: context.signal,
    onProgressLine(line) {
      const news = read(line);
      if (news) context.progress(news);
    },
    onLogLine: context.log,
  });
}

async function assertSpace({ store, minFreeBytes }: PanoramaParts): Promise<void> {
  const free = await store.freeBytes();
  if (free < minFreeBytes)
    throw new TouchlineError(
      'insufficient_storage',
      `${free} bytes are free; ${minFreeBytes} have to stay free`,
      {
        details: { free_bytes: free, min_free_bytes: minFreeBytes },
      },
    );
}

function assertAsPlanned(
  { layout, frames, fps }: PanoramaPlan,
  made: { width: number; height: number; durationSec: number },
): void {
  const plannedSec = frames / fps;
  if (made.width !== layout.width || made.height !== layout.height)
    throw new TouchlineError(
      'job_failed',
      `the result is ${made.width}x${made.height}; it should be ${layout.width}x${layout.height}`,
    );
  if (Math.abs(made.durationSec - plannedSec) > LENGTH_TOLERANCE_SEC)
    throw new TouchlineError(
      'job_failed',
      `the result is ${made.durationSec} s long; by the manifests it should be ${plannedSec} s`,
    );
}

function describe(
  { span, layout, fps, frames: planned, uncoveredSec, notes }: PanoramaPlan,
  made: { file: string; durationSec: number; frames: number },
): PanoramaResult {
  return {
    file: made.file,
    width: layout.width,
    height: layout.height,
    duration_sec: made.durationSec,
    frames: made.frames,
    calibrated: false,
    layout: `side-by-side, ${layout.overlap} px linear blend, uncalibrated`,
    cameras: span.views.map((view) => view.cameraId),
    from: toWireTime(span.fromUs),
    to: toWireTime(span.fromUs + Math.round((planned * 1e6) / fps)),
    uncovered_sec: uncoveredSec,
    notes,
  };
}
