import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout, videoFileName } from '#contracts/layout.ts';
import type { ClockReading, Gate, Journal, TimelineRow, TouchlineManifest } from '#contracts/manifest.ts';
import { fromWireTime, toWireTime } from '#contracts/time.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import { createCutter } from '#domain/recording/cut.ts';
import {
  buildManifest,
  type Identity,
  localUs,
  masterUs,
  type RecordingFacts,
} from '#domain/recording/manifest.ts';
import { createTally, type Tally, type TallyGap } from '#domain/recording/tally.ts';
import type { CameraMode } from '#ports/camera/camera.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Disk, DiskFile } from '#ports/disk/disk.ts';
import { readManifest, writeManifest } from '#runtime/manifests.ts';
import type { Pipeline, PipelineListener } from './pipeline.ts';
import { createWriter, type Writer } from './writer.ts';

export interface PartOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly folder: string;
  readonly identity: Identity;
  readonly mode: CameraMode;
  readonly source: string;
  readonly runId: string;
  readonly version: string;
  readonly hostname: string;
  readonly overriddenGates: readonly Gate[];
  readonly queueLimitBytes: number;
  readonly syncIntervalMs: number;
  readonly clockReading: () => ClockReading;
  /** Why there is a part before this one. */
  readonly gapReason: string;
  readonly encoderRestarts: number;
  readonly diskErrors: number;
  readonly onGap: (gap: TallyGap) => void;
  readonly onDiskFault: (error: TouchlineError) => void;
}

/** One file of a recording, from its first fragment to its manifest. */
export interface PartRecorder extends PipelineListener {
  /** The agreed start, monotonic microseconds and as the rig wrote it; may be in the past. */
  start(monoUs: number, masterUs: number): void;
  stop(monoUs: number): void;
  /** Settles when the file has all it will get: the stop was reached, or the disk failed. */
  readonly complete: Promise<TouchlineError | undefined>;
  readonly progress: PartProgress | undefined;
  /** Ends the file and writes its manifest; undefined when no frame came. */
  finish(final: boolean): Promise<FinishedPart | undefined>;
}

export interface PartProgress {
  readonly path: string;
  readonly frames: number;
  readonly droppedFrames: number;
  readonly durationUs: number;
  readonly sizeBytes: number;
}

export interface FinishedPart {
  readonly manifest: TouchlineManifest;
  readonly manifestPath: string;
}

const TIMELINE_INTERVAL_MS = 1000;

/** What exists once the first fragment of the file is there. */
interface OpenFile {
  readonly path: string;
  readonly journal: Journal;
  readonly journalPath: string;
  readonly writer: Writer;
  readonly timeline: DiskFile;
  readonly stopTimeline: () => void;
  readonly firstLocalUs: number;
  readonly firstMonoUs: number;
}

export function createPart(options: PartOptions): PartRecorder {
  const { disk, clock, folder, identity, mode } = options;
  const cutter = createCutter();
  const complete = Promise.withResolvers<TouchlineError | undefined>();
  const timelineName = nodeLayout.timelineName(identity.sessionId, identity.cameraId, identity.part);
  const manifestPath = nodeLayout.manifest(folder, identity.sessionId, identity.cameraId, identity.part);
  let pipeline: Pipeline | undefined;
  let start: { monoUs: number; masterUs: number } | undefined;
  let stopMonoUs: number | undefined;
  let tally: Tally | undefined;
  let startFrame: RecordingFacts['startFrame'];
  let opening: Promise<OpenFile> | undefined;
  let file: OpenFile | undefined;
  let fileError: TouchlineError | undefined;
  /** Fragments that wait for the file to be opened. */
  let early: Fragment[] = [];
  let overflowed = false;

  const streamTime = (monoUs: number): number =>
    pipeline ? ((monoUs - pipeline.originMonoUs) * pipeline.initialisation.timescale) / 1e6 : 0;
  const monoOf = (time: number): number =>
    pipeline ? pipeline.originMonoUs + (time * 1e6) / pipeline.initialisation.timescale : 0;

  const applyTimes = (): void => {
    if (!pipeline) return;
    if (start) cutter.startAt(streamTime(start.monoUs));
    if (stopMonoUs !== undefined) cutter.stopAt(streamTime(stopMonoUs));
  };

  const openFile = async (firstMonoUs: number, startAtUs: number): Promise<OpenFile> => {
    const clockReading = options.clockReading();
    const firstLocalUs = wallAt(clock, Math.round(firstMonoUs));
    const name = videoFileName(
      identity.sessionId,
      identity.cameraId,
      masterUs(firstLocalUs, clockReading) ?? firstLocalUs,
    );
    const path = nodeLayout.video(folder, identity.cameraId, name);
    const journalPath = nodeLayout.journal(folder, identity.cameraId, name);
    const profile = `${mode.codec} ${mode.width}x${mode.height}@${mode.fps}`;
    const journal: Journal = {
      v: 1,
      run_id: options.runId,
      session_id: identity.sessionId,
      session_uid: identity.sessionUid,
      camera_id: identity.cameraId,
      position: identity.position,
      part: identity.part,
      file: name,
      start_at: toWireTime(startAtUs),
      base: {
        first_frame_local: toWireTime(firstLocalUs),
        first_frame_mono_us: Math.round(firstMonoUs),
        boot_id: clock.bootId,
      },
      codec: mode.codec,
      fps: mode.fps,
      source: options.source,
      requested: profile,
      effective: profile,
      clock: clockReading,
      overridden_gates: [...options.overriddenGates],
      software_version: options.version,
      hostname: options.hostname,
    };
    await disk.replace(journalPath, `${JSON.stringify(journal)}\n`);
    const timeline = await disk.open(
      `${nodeLayout.manifestFolder(folder, identity.cameraId)}/${timelineName}`,
      'create',
    );
    const writer = createWriter({
      file: await disk.open(path, 'create'),
      queueLimitBytes: options.queueLimitBytes,
      syncIntervalMs: options.syncIntervalMs,
      clock,
      onFailure: (error) => {
        options.onDiskFault(error);
        complete.resolve(error);
      },
    });
    const stopTimeline = clock.every(TIMELINE_INTERVAL_MS, 'timeline', () =>
      timeline.append(timelineRow()).catch(reportTimeline),
    );
    return { path, journal, journalPath, writer, timeline, stopTimeline, firstLocalUs, firstMonoUs };
  };

  let timelineFailed = false;
  const reportTimeline = (error: unknown): void => {
    if (!timelineFailed) options.onDiskFault(asDiskError(error));
    timelineFailed = true;
  };

  const timelineRow = (): Uint8Array => {
    const reading = options.clockReading();
    const localUs = clock.wallUs();
    const master = masterUs(localUs, reading);
    const row: TimelineRow = {
      mono_us: clock.monoUs(),
      local: toWireTime(localUs),
      master: master === null ? null : toWireTime(master),
      offset_ms: reading.offset_ms,
      bound_ms: reading.bound_ms,
      frame: tally?.frames ?? 0,
      pts_us: tally?.durationUs ?? 0,
      bytes: file?.writer.writtenBytes ?? 0,
    };
    return Buffer.from(`${JSON.stringify(row)}\n`);
  };

  const begin = (firstTime: number): void => {
    if (!pipeline || !start) return;
    const { initialisation } = pipeline;
    tally = createTally({ fps: mode.fps, timescale: initialisation.timescale });
    opening = openFile(monoOf(firstTime), start.masterUs);
    opening.then(
      (opened) => {
        file = opened;
        opened.writer.push(initialisation.bytes);
        for (const fragment of early.splice(0)) write(opened, fragment);
        if (cutter.state === 'after') complete.resolve(undefined);
      },
      (error: unknown) => {
        fileError = asDiskError(error);
        early = [];
        options.onDiskFault(fileError);
        complete.resolve(fileError);
      },
    );
  };

  const write = (opened: OpenFile, fragment: Fragment): void => {
    const { writer } = opened;
    // After an overflow the file goes on at a key frame, once there is room: a picture without its reference is no picture.
    if (overflowed && (!fragment.keyframe || writer.queuedBytes > options.queueLimitBytes / 2)) return;
    if (!writer.push(fragment.bytes)) {
      if (!overflowed && !writer.failure) options.onDiskFault(tooSlow(writer.queuedBytes));
      overflowed = true;
      return;
    }
    overflowed = false;
    noteStart(fragment, opened.firstMonoUs);
    for (const gap of tally?.add(fragment) ?? []) options.onGap(gap);
  };

  /** The first exposure at or after the agreed start, and how much after; a further part has none. */
  const noteStart = (fragment: Fragment, firstMonoUs: number): void => {
    if (startFrame || !start || !pipeline || identity.part > 1) return;
    const { timescale } = pipeline.initialisation;
    const at = start.monoUs;
    const exposures = fragment.times.map((time) => firstMonoUs + (time * 1e6) / timescale);
    const index = exposures.findIndex((exposure) => exposure >= at);
    const exposure = exposures[index];
    if (exposure !== undefined)
      startFrame = { index: (tally?.frames ?? 0) + index, skewMs: (exposure - at) / 1000 };
  };

  /** What is missing before the first frame: since the agreed start, or since the end of the part before. */
  const leadingGap = async (opened: OpenFile): Promise<RecordingFacts['leadingGap']> => {
    if (!start) return undefined;
    let fromLocalUs = opened.firstLocalUs - Math.round(opened.firstMonoUs - start.monoUs);
    let reason = 'the first frame came late';
    if (identity.part > 1) {
      // Read only now: after a crash the part before is described by recovery, while this one is being recorded.
      const path = nodeLayout.manifest(folder, identity.sessionId, identity.cameraId, identity.part - 1);
      const before = await readManifest(disk, path);
      if (!before) return undefined;
      fromLocalUs = localUs(fromWireTime(before.timing.end_time), opened.journal.clock);
      reason = options.gapReason;
    }
    return opened.firstLocalUs - fromLocalUs > (1.5 * 1e6) / mode.fps ? { fromLocalUs, reason } : undefined;
  };

  return {
    complete: complete.promise,
    start(monoUs, agreedUs) {
      start = { monoUs, masterUs: agreedUs };
      applyTimes();
    },
    stop(monoUs) {
      stopMonoUs = monoUs;
      applyTimes();
    },
    opened(running) {
      pipeline = running;
      applyTimes();
    },
    fragment(fragment) {
      const out = cutter.push(fragment);
      if (out.length > 0 && !opening && cutter.origin !== undefined) begin(cutter.origin);
      if (file) for (const next of out) write(file, next);
      else if (!fileError) early.push(...out);
      if (cutter.state === 'after' && (file || !opening)) complete.resolve(undefined);
    },
    get progress() {
      return (
        file &&
        tally && {
          path: file.path,
          frames: tally.frames,
          droppedFrames: tally.droppedFrames,
          durationUs: tally.durationUs,
          sizeBytes: file.writer.writtenBytes,
        }
      );
    },
    async finish(final) {
      // The failure to open was reported when it happened; there is no file to finish.
      const opened = await opening?.catch(() => undefined);
      if (!opened || !tally || !pipeline || !start) return undefined;
      opened.stopTimeline();
      const written = await opened.writer.finish();
      await opened.timeline
        .append(timelineRow())
        .then(() => opened.timeline.sync())
        .then(() => opened.timeline.close())
        .catch(reportTimeline);
      const { initialisation } = pipeline;
      const manifest = buildManifest({
        identity,
        journal: opened.journal,
        clock: opened.journal.clock,
        firstFrame: {
          localUs: opened.firstLocalUs,
          monoUs: Math.round(opened.firstMonoUs),
          bootId: clock.bootId,
        },
        startAtUs: start.masterUs,
        startFrame,
        picture: { width: initialisation.width, height: initialisation.height },
        tally,
        leadingGap: await leadingGap(opened),
        ...written,
        final,
        recovered: false,
        bytesLost: 0,
        timeline: timelineName,
        counts: {
          encoderRestarts: options.encoderRestarts,
          diskErrors: options.diskErrors + (opened.writer.failure || timelineFailed ? 1 : 0),
          clockSteps: 0,
        },
      });
      await writeManifest(disk, { manifest, manifestPath });
      await disk.remove(opened.journalPath);
      return { manifest, manifestPath };
    },
  };
}

export function asDiskError(error: unknown): TouchlineError {
  return error instanceof TouchlineError
    ? error
    : new TouchlineError('disk_failed', 'the disk failed', { cause: error });
}

function tooSlow(queuedBytes: number): TouchlineError {
  return new TouchlineError(
    'disk_too_slow',
    `the disk does not keep up: ${(queuedBytes / 2 ** 20).toFixed(0)} MiB wait to be written, frames are being lost`,
  );
}
