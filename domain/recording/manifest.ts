import {
  type CameraId,
  type Position,
  recordingId,
  type SessionId,
  type SessionUid,
} from '#contracts/ids.ts';
import type { ClockReading, ClockStep, Gap, Gate, Journal, TouchlineManifest } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Tally, TallyGap } from './tally.ts';

/** What is the same for every file of a recording and known before its first byte. */
export interface Identity {
  readonly sessionId: SessionId;
  readonly sessionUid: SessionUid;
  readonly cameraId: CameraId;
  readonly position: Position;
  readonly part: number;
}

/** Everything a manifest is made from. Times in microseconds; `local` is the node's wall clock, `master` the rig's. */
export interface RecordingFacts {
  readonly identity: Identity;
  readonly journal: Pick<
    Journal,
    | 'file'
    | 'start_at'
    | 'base'
    | 'codec'
    | 'fps'
    | 'source'
    | 'requested'
    | 'effective'
    | 'reason'
    | 'audio'
    | 'frame_phase_sync'
    | 'lock_view'
    | 'overridden_gates'
    | 'software_version'
    | 'hostname'
  >;
  readonly clock: ClockReading;
  /** When it was exposed. `masterUs` is null where the rig's time was not known. */
  readonly firstFrame: {
    readonly localUs: number;
    readonly masterUs: number | null;
    readonly monoUs: number;
    readonly bootId: string;
  };
  readonly startAtUs: number;
  readonly startFrame: { readonly index: number; readonly skewMs: number } | undefined;
  readonly picture: { readonly width: number; readonly height: number };
  readonly tally: Pick<Tally, 'frames' | 'droppedFrames' | 'durationUs' | 'gaps'>;
  /** Missing time before the first frame, when it came later than it should; in the time of the manifest. */
  readonly leadingGap: { readonly fromUs: number; readonly reason: string } | undefined;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly final: boolean;
  readonly recovered: boolean;
  readonly bytesLost: number;
  readonly timeline: string;
  readonly counts: {
    readonly encoderRestarts: number;
    readonly diskErrors: number;
  };
  readonly steps: readonly ClockStep[];
  readonly beepAt: string | null;
}

/** The master's time at a local time, as far as the offset is known. */
export function masterUs(localUs: number, clock: Pick<ClockReading, 'offset_ms'>): number | null {
  return clock.offset_ms === null ? null : localUs - Math.round(clock.offset_ms * 1000);
}

/**
 * The time that manifests are written in: the rig's where it was known, the local one otherwise. Times of one recording are compared
 * in it.
 */
export function manifestUs(firstFrame: RecordingFacts['firstFrame']): number {
  return firstFrame.masterUs ?? firstFrame.localUs;
}

/** Whether frames are missing between the end of one and the beginning of the next, microseconds. Less than half of one is jitter. */
export function isGap(endUs: number, beginUs: number, fps: number): boolean {
  return beginUs - endUs > (0.5 * 1e6) / fps;
}

/** Whether frames are missing between the agreed start and the first one after it: the next beat of a camera is up to one frame away. */
export function isLateStart(startUs: number, firstUs: number, fps: number): boolean {
  return firstUs - startUs > (1.5 * 1e6) / fps;
}

/** Manifest 1.0 with our additions, from what was measured. */
export function buildManifest(facts: RecordingFacts): TouchlineManifest {
  const { identity, journal, clock, firstFrame, tally, counts } = facts;
  const durationSec = tally.durationUs / 1e6;
  const startUs = manifestUs(firstFrame);
  const gaps: Gap[] = [
    ...(facts.leadingGap ? [leadingGap(facts.leadingGap, startUs, journal.fps)] : []),
    ...tally.gaps.map((gap) => wireGap(gap, startUs)),
  ];
  return {
    version: '1.0',
    recording: {
      id: recordingId(identity.sessionId, identity.cameraId),
      session_id: identity.sessionId,
      camera_id: identity.cameraId,
      position: identity.position,
    },
    file: { name: journal.file, size_bytes: facts.sizeBytes, container: 'mp4', codec: journal.codec },
    video: {
      resolution: facts.picture,
      fps: journal.fps,
      bitrate_mbps: durationSec > 0 ? Math.round((facts.sizeBytes * 8) / durationSec / 1e6) : 0,
      duration_sec: durationSec,
    },
    timing: {
      start_time: toWireTime(startUs),
      end_time: toWireTime(startUs + tally.durationUs),
      // Only a time daemon that we asked could say yes; sharing the master's kernel is told by touchline.clock.
      ntp_synced: false,
      ...(clock.offset_ms === null ? {} : { sync_offset_ms: clock.offset_ms }),
    },
    checksum: { algorithm: 'sha256', value: facts.sha256 },
    device: { hostname: journal.hostname, software_version: journal.software_version },
    quality: { dropped_frames: tally.droppedFrames },
    touchline: {
      session_uid: identity.sessionUid,
      part: identity.part,
      final: facts.final,
      recovered: facts.recovered,
      offloaded: false,
      offloaded_at: null,
      frames: tally.frames,
      first_frame: {
        master: firstFrame.masterUs === null ? null : toWireTime(firstFrame.masterUs),
        local: toWireTime(firstFrame.localUs),
        mono_us: firstFrame.monoUs,
        boot_id: firstFrame.bootId,
      },
      start_at: toWireTime(facts.startAtUs),
      // Clocks are read to the microsecond.
      start_skew_ms: facts.startFrame ? Math.round(facts.startFrame.skewMs * 1000) / 1000 : null,
      start_frame: facts.startFrame?.index ?? 0,
      clock,
      frame_phase_sync: journal.frame_phase_sync,
      gaps,
      encoder_restarts: counts.encoderRestarts,
      disk_errors: counts.diskErrors,
      clock_steps: facts.steps.length,
      steps: [...facts.steps],
      overridden_gates: [...(journal.overridden_gates as Gate[])],
      timeline: facts.timeline,
      source: journal.source,
      requested: journal.requested,
      effective: journal.effective,
      reason: journal.reason,
      audio: journal.audio,
      lock_view: journal.lock_view,
      beep_at: facts.beepAt,
      bytes_lost: facts.bytesLost,
    },
  };
}

function leadingGap(
  gap: { readonly fromUs: number; readonly reason: string },
  startUs: number,
  fps: number,
): Gap {
  return {
    from: toWireTime(gap.fromUs),
    to: toWireTime(startUs),
    frames: Math.max(0, Math.round(((startUs - gap.fromUs) * fps) / 1e6)),
    reason: gap.reason,
  };
}

function wireGap(gap: TallyGap, startUs: number): Gap {
  return {
    from: toWireTime(startUs + gap.fromUs),
    to: toWireTime(startUs + gap.toUs),
    frames: gap.frames,
    reason: 'frames lost',
  };
}
