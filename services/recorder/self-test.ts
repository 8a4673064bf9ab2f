import { randomBytes } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import { nodeLayout } from '#contracts/layout.ts';
import type { SelfTestResult } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { createTally, type Tally } from '#domain/recording/tally.ts';
import type { Camera, Profile } from '#ports/camera/camera.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { runProgram } from '#ports/program/program.ts';
import { asDiskError } from './disk-error.ts';
import { runPipeline } from './pipeline.ts';
import { createWriter } from './writer.ts';

export interface SelfTestOptions {
  readonly camera: Camera;
  readonly clock: Clock;
  readonly disk: Disk;
  readonly profile: Profile;
  readonly seconds: number;
  /** How fast the encoder was measured to be; null when it was not. */
  readonly encoderSpeed: number | null;
  readonly queueLimitBytes: number;
  readonly syncIntervalMs: number;
  /** The clip is recorded: the camera is free, while the rest goes on. */
  readonly onCameraFree: () => void;
  readonly signal: AbortSignal;
}

/** Frames that may be missing at the two ends of the clip, where it was cut. */
const CUT_FRAMES = 2;
/** The disk must be this much faster than the camera: it also flushes, and others read from it. */
const DISK_HEADROOM = 3;
const DISK_PROBE_BYTES = 32 * 2 ** 20;
/** What one write of the probe has. */
const DISK_CHUNK_BYTES = 2 ** 20;

/**
 * Records a clip the way a match is recorded, reads it back, decodes every frame, and deletes it. What is wrong is a finding in words,
 * never an error: only an abort rejects.
 */
export async function runSelfTest(options: SelfTestOptions): Promise<SelfTestResult> {
  const { clock, disk, profile, seconds, encoderSpeed, signal } = options;
  const findings: string[] = [];
  const path = `${nodeLayout.selfTest}/clip.mp4`;
  let tally: Tally | undefined;
  let decoded: number | undefined;
  let writeMbps: number | null = null;
  try {
    await disk.remove(path);
    tally = await recordClip(options, path).finally(options.onCameraFree);
    decoded = await decodedFrames(disk, path, signal);
    writeMbps = await diskSpeed(disk, clock, signal);
  } catch (error) {
    if (signal.aborted) throw error;
    findings.push(error instanceof Error ? error.message : String(error));
  } finally {
    await disk.remove(path).catch((error: unknown) => findings.push(asDiskError(error).message));
  }
  const frames = tally?.frames ?? 0;
  const expected = Math.round(seconds * profile.fps);
  const dropped = tally?.droppedFrames ?? 0;
  if (tally && frames + dropped < expected - CUT_FRAMES)
    findings.push(`${frames} frames in ${seconds} s where ${expected} were expected: the camera is too slow`);
  if (dropped > 0) findings.push(`${dropped} frames were lost`);
  if (decoded !== undefined && decoded !== frames)
    findings.push(`${decoded} of ${frames} frames can be decoded`);
  if (writeMbps !== null && writeMbps < profile.bitrateMbps * DISK_HEADROOM)
    findings.push(
      `the disk writes ${writeMbps.toFixed(0)} Mbit/s, ${(profile.bitrateMbps * DISK_HEADROOM).toFixed(0)} are wanted`,
    );
  return {
    at: toWireTime(Math.round(clock.wallUs())),
    passed: findings.length === 0,
    seconds,
    frames,
    expected_frames: expected,
    dropped_frames: dropped,
    decodable: decoded !== undefined && decoded === frames && frames > 0,
    encoder_speed: encoderSpeed,
    disk_write_mbps: writeMbps,
    findings,
  };
}

async function recordClip(options: SelfTestOptions, path: string): Promise<Tally> {
  const { camera, clock, disk, profile, seconds, signal } = options;
  let tally: Tally | undefined;
  let failure: TouchlineError | undefined;
  const enough = new AbortController();
  const writer = createWriter({
    file: await disk.open(path, 'create'),
    queueLimitBytes: options.queueLimitBytes,
    syncIntervalMs: options.syncIntervalMs,
    clock,
    onFailure: (error) => {
      failure = error;
      enough.abort();
    },
  });
  try {
    await runPipeline(
      {
        camera,
        clock,
        profile,
        cueMonoUs: clock.monoUs(),
        signal: AbortSignal.any([signal, enough.signal]),
        // A start does not wait for it.
        closing: 'at-once',
      },
      {
        opened: ({ initialisation }) => {
          tally = createTally({ fps: profile.fps, timescale: initialisation.timescale });
          writer.push(initialisation.bytes);
        },
        fragment: (fragment) => {
          if (!tally || enough.signal.aborted) return;
          if (!writer.push(fragment.bytes)) failure ??= tooSlow();
          tally.add(fragment);
          if (failure || tally.durationUs >= seconds * 1e6) enough.abort();
        },
      },
    );
  } finally {
    await writer.finish();
  }
  signal.throwIfAborted();
  if (failure) throw failure;
  if (!tally) throw new TouchlineError('camera_failed', `no frame from ${camera.source}`);
  return tally;
}

/** Counts the frames that a decoder makes of the clip. A frame it complains about does not count. */
async function decodedFrames(disk: Disk, path: string, signal: AbortSignal): Promise<number> {
  const text = await runProgram(
    'ffprobe',
    [
      ...['-v', 'error', '-select_streams', 'v:0', '-count_frames'],
      ...['-show_entries', 'stream=nb_read_frames', '-of', 'csv=p=0', `${disk.root}/${path}`],
    ],
    signal,
  );
  return Number.parseInt(text, 10) || 0;
}

/** What the disk takes when every write is synced at the end, Mbit/s. */
async function diskSpeed(disk: Disk, clock: Clock, signal: AbortSignal): Promise<number> {
  const path = `${nodeLayout.selfTest}/write`;
  await disk.remove(path);
  const chunk = randomBytes(DISK_CHUNK_BYTES);
  const file = await disk.open(path, 'create');
  const sinceUs = clock.monoUs();
  try {
    for (let bytes = 0; bytes < DISK_PROBE_BYTES; bytes += chunk.length) {
      signal.throwIfAborted();
      await file.append(chunk);
    }
    await file.sync();
    return (DISK_PROBE_BYTES * 8) / (clock.monoUs() - sinceUs);
  } finally {
    await file.close();
    await disk.remove(path);
  }
}

function tooSlow(): TouchlineError {
  return new TouchlineError('disk_too_slow', 'the disk did not take what the camera sent');
}
