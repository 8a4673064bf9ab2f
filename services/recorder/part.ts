import type { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { AudioTrack, Gate, Journal, LockView, TouchlineManifest } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Fragment } from '#domain/fmp4/fragments.ts';
import { createCutter } from '#domain/recording/cut.ts';
import { asFinal, following } from '#domain/recording/ending.ts';
import {
  buildManifest,
  type Identity,
  isGap,
  isLateStart,
  manifestUs,
  type RecordingFacts,
} from '#domain/recording/manifest.ts';
import { createTally, type Tally, type TallyGap } from '#domain/recording/tally.ts';
import { type Profile, profileName } from '#ports/camera/camera.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { wholeUntilUs, writeManifest } from '#runtime/manifests.ts';
import { asDiskError, tooLate, tooSlow } from './disk-error.ts';
import type { Pipeline, PipelineListener } from './pipeline.ts';
import { freeName } from './place.ts';
import { type RigTimes, startTimeline, type Timeline } from './timeline.ts';
import { createWriter, type Writer } from './writer.ts';

export interface PartOptions {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly folder: string;
  readonly identity: Identity;
  readonly profile: ChosenProfile;
  readonly audio: AudioTrack | null;
  readonly lockView: LockView | null;
  /** So much of what was before the start belongs to the file. */
  readonly preRollUs: number;
  readonly source: string;
  readonly runId: string;
  readonly version: string;
  readonly hostname: string;
  readonly overriddenGates: readonly Gate[];
  readonly queueLimitBytes: number;
  readonly syncIntervalMs: number;
  readonly rig: RigTimes;
  /** Why there is a part before this one. */
  readonly gapReason: string;
  readonly encoderRestarts: number;
  readonly diskErrors: number;
  /** When the start beep sounded, master time. */
  readonly beepAt: () => string | null;
  readonly onGap: (gap: TallyGap) => void;
  readonly onDiskFault: (error: TouchlineError) => void;
}

/** What is recorded, and why it is not what the configuration wants. */
export interface ChosenProfile {
  readonly requested: string;
  readonly profile: Profile;
  readonly reason: string | null;
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

/** What exists once the first fragment of the file is there. */
interface OpenFile {
  readonly path: string;
  readonly journal: Journal;
  readonly journalPath: string;
  readonly writer: Writer;
  readonly timeline: Timeline;
  readonly firstFrame: RecordingFacts['firstFrame'];
}

export function createPart(options: PartOptions): PartRecorder {
  const { disk, clock, folder, identity, rig } = options;
  const { profile } = options.profile;
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
    const preRollUs = identity.part === 1 ? options.preRollUs : 0;
    cutter.hold((preRollUs * pipeline.initialisation.timescale) / 1e6);
    if (start) cutter.startAt(streamTime(start.monoUs - preRollUs));
    if (stopMonoUs !== undefined) cutter.stopAt(streamTime(stopMonoUs));
  };

  const openFile = async (monoUs: number, startAtUs: number): Promise<OpenFile> => {
    const firstMonoUs = Math.round(monoUs);
    const masterUs = rig.masterOfMono(firstMonoUs);
    const firstFrame: OpenFile['firstFrame'] = {
      localUs: Math.round(wallAt(clock, firstMonoUs)),
      masterUs: masterUs === undefined ? null : Math.round(masterUs),
      monoUs: firstMonoUs,
      bootId: clock.bootId,
    };
    const name = await freeName(disk, folder, identity, manifestUs(firstFrame));
    const path = nodeLayout.video(folder, identity.cameraId, name);
    const journalPath = nodeLayout.journal(folder, identity.cameraId, name);
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
        first_frame_master: firstFrame.masterUs === null ? null : toWireTime(firstFrame.masterUs),
        first_frame_local: toWireTime(firstFrame.localUs),
        first_frame_mono_us: firstMonoUs,
        boot_id: clock.bootId,
      },
      gap_reason: identity.part > 1 ? options.gapReason : null,
      codec: profile.codec,
      fps: profile.fps,
      source: options.source,
      requested: options.profile.requested,
      effective: profileName(profile),
      reason: options.profile.reason,
      audio: options.audio,
      frame_phase_sync: pipeline?.frameSynced() ?? false,
      lock_view: options.lockView,
      clock: rig.reading(),
      overridden_gates: [...options.overriddenGates],
      software_version: options.version,
      hostname: options.hostname,
    };
    await disk.replace(journalPath, `${JSON.stringify(journal)}\n`);
    const video = await disk.open(path, 'create');
    const timelinePath = `${nodeLayout.manifestFolder(folder, identity.cameraId)}/${timelineName}`;
    // Left by an attempt at this part of which nothing came.
    await disk.remove(timelinePath);
    const timeline = await startTimeline({
      disk,
      path: timelinePath,
      clock,
      rig,
      progress: () => ({
        frames: tally?.frames ?? 0,
        durationUs: tally?.durationUs ?? 0,
        sizeBytes: file?.writer.writtenBytes ?? 0,
      }),
      onFailure: options.onDiskFault,
    }).catch((error: unknown): Timeline => {
      // It costs its rows, never the recording.
      options.onDiskFault(asDiskError(error));
      return { steps: [], failed: true, finish: async () => undefined };
    });
    const writer = createWriter({
      file: video,
      queueLimitBytes: options.queueLimitBytes,
      syncIntervalMs: options.syncIntervalMs,
      clock,
      onFailure: (error) => {
        options.onDiskFault(error);
        complete.resolve(error);
      },
      onLate: (seconds) => options.onDiskFault(tooLate(seconds)),
    });
    return { path, journal, journalPath, writer, timeline, firstFrame };
  };

  const begin = (firstTime: number): void => {
    if (!pipeline || !start) return;
    const { initialisation } = pipeline;
    tally = createTally({ fps: profile.fps, timescale: initialisation.timescale });
    opening = openFile(monoOf(firstTime), start.masterUs);
    opening.then(
      (opened) => {
        file = opened;
        opened.writer.push(initialisation.bytes);
        const more = overflowed;
        overflowed = false;
        for (const fragment of early.splice(0)) write(opened, fragment);
        overflowed ||= more;
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

  /** Keeps what comes before the file is open, as long as there is room in the queue for it. */
  const wait = (fragment: Fragment): void => {
    const waiting = early.reduce((sum, { bytes }) => sum + bytes.length, fragment.bytes.length);
    if (!overflowed && waiting <= options.queueLimitBytes) early.push(fragment);
    else if (!overflowed) {
      overflowed = true;
      options.onDiskFault(tooSlow(waiting));
    }
  };

  const write = (opened: OpenFile, fragment: Fragment): void => {
    const { writer } = opened;
    // After an overflow the file goes on at a key frame, once there is room: a picture without its reference is no picture.
    if (overflowed && (!fragment.keyframe || writer.queuedBytes > options.queueLimitBytes / 2)) return;
    // What counts is what is in the file, not what waits for a disk that may turn out to be full.
    const written = (): void => {
      noteStart(fragment, opened.firstFrame.monoUs);
      for (const gap of tally?.add(fragment) ?? []) options.onGap(gap);
    };
    if (!writer.push(fragment.bytes, written)) {
      if (!overflowed && !writer.failure) options.onDiskFault(tooSlow(writer.queuedBytes));
      overflowed = true;
      return;
    }
    overflowed = false;
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
  const leadingGap = async ({ firstFrame }: OpenFile): Promise<RecordingFacts['leadingGap']> => {
    if (!start) return undefined;
    const firstUs = manifestUs(firstFrame);
    if (identity.part === 1) {
      const fromUs = firstUs - Math.round(firstFrame.monoUs - start.monoUs);
      return isLateStart(fromUs, firstUs, profile.fps)
        ? { fromUs, reason: 'the first frame came late' }
        : undefined;
    }
    // Read only now: after a crash the part before is described by recovery, while this one is being recorded.
    const { sessionId, cameraId, part } = identity;
    const fromUs = await wholeUntilUs(disk, folder, { sessionId, cameraId, part, startAtUs: start.masterUs });
    return isGap(fromUs, firstUs, profile.fps) ? { fromUs, reason: options.gapReason } : undefined;
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
      else if (!fileError) for (const next of out) wait(next);
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
      // Whatever the video's end is: nothing stays open on a disk that somebody may have to mount again.
      const written = await opened.writer.finish().finally(() => opened.timeline.finish());
      // Its journal tells recovery that nothing came of it.
      if (tally.frames === 0) return undefined;
      const { initialisation } = pipeline;
      const { firstFrame } = opened;
      const built = buildManifest({
        identity,
        // A camera that follows another's beat knows it only after a while.
        journal: { ...opened.journal, frame_phase_sync: pipeline.frameSynced() },
        clock: opened.journal.clock,
        firstFrame,
        startAtUs: start.masterUs,
        startFrame,
        picture: { width: initialisation.width, height: initialisation.height },
        tally,
        leadingGap: await leadingGap(opened),
        ...written,
        final: false,
        recovered: false,
        bytesLost: 0,
        timeline: timelineName,
        counts: {
          encoderRestarts: options.encoderRestarts,
          diskErrors: options.diskErrors + (opened.writer.failure || opened.timeline.failed ? 1 : 0),
        },
        steps: opened.timeline.steps,
        beepAt: options.beepAt(),
      });
      const stopAtUs = stopMonoUs && manifestUs(firstFrame) + Math.round(stopMonoUs - firstFrame.monoUs);
      let manifest = final ? asFinal(built, { stopAtUs }) : built;
      await writeManifest(disk, { manifest, manifestPath });
      // Recovery may have described the part before only just now, and not have seen this one.
      const before = await leadingGap(opened);
      const mended = before && identity.part > 1 ? following(manifest, before.fromUs) : manifest;
      if (mended !== manifest) {
        manifest = mended;
        await writeManifest(disk, { manifest, manifestPath });
      }
      await disk.remove(opened.journalPath);
      return { manifest, manifestPath };
    },
  };
}
