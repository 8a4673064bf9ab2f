import type { TouchlineError } from '#contracts/errors.ts';
import type { ClockReading, ClockStep, TimelineRow } from '#contracts/manifest.ts';
import { toWireTime } from '#contracts/time.ts';
import { createStepDetector } from '#domain/recording/clock-steps.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import type { Disk } from '#ports/disk/disk.ts';
import { asDiskError } from './disk-error.ts';

/** The rig's time on this node; undefined and null where it is not known. */
export interface RigTimes {
  reading(): ClockReading;
  masterOfMono(monoUs: number): number | undefined;
}

export interface TimelineOptions {
  readonly disk: Disk;
  readonly path: string;
  readonly clock: Clock;
  readonly rig: RigTimes;
  /** How far the file is. */
  readonly progress: () => { frames: number; durationUs: number; sizeBytes: number };
  readonly onFailure: (error: TouchlineError) => void;
}

/** What the clocks said while a file was recorded, once a second, beside its manifest. */
export interface Timeline {
  /** Steps of the local wall clock since it began. */
  readonly steps: readonly ClockStep[];
  readonly failed: boolean;
  /** The last row, synced. */
  finish(): Promise<void>;
}

const INTERVAL_MS = 1000;

/** Rejects with a disk error when the file cannot be made; later failures cost rows, never the recording. */
export async function startTimeline(options: TimelineOptions): Promise<Timeline> {
  const { disk, path, clock, rig, progress, onFailure } = options;
  const file = await disk.open(path, 'create');
  const detector = createStepDetector();
  const steps: ClockStep[] = [];
  let failed = false;
  const report = (error: unknown): void => {
    if (!failed) onFailure(asDiskError(error));
    failed = true;
  };

  const row = (): Uint8Array => {
    const monoUs = clock.monoUs();
    const localUs = Math.round(wallAt(clock, monoUs));
    const step = detector.look(monoUs, localUs, clock.readErrorUs);
    if (step) steps.push({ at: toWireTime(localUs), mono_us: monoUs, step_ms: step.stepUs / 1000 });
    const { offset_ms, bound_ms, ci95_ms } = rig.reading();
    const masterUs = rig.masterOfMono(monoUs);
    const { frames, durationUs, sizeBytes } = progress();
    const written: TimelineRow = {
      mono_us: monoUs,
      local: toWireTime(localUs),
      master: masterUs === undefined ? null : toWireTime(Math.round(masterUs)),
      ...{ offset_ms, bound_ms, ci95_ms },
      ...{ frame: frames, pts_us: durationUs, bytes: sizeBytes },
    };
    return Buffer.from(`${JSON.stringify(written)}\n`);
  };
  const append = (): Promise<void> => file.append(row()).catch(report);

  const stop = clock.every(INTERVAL_MS, 'timeline', append);
  await append();
  return {
    steps,
    get failed() {
      return failed;
    },
    async finish() {
      stop();
      await append();
      await file.sync().catch(report);
      await file.close().catch(report);
    },
  };
}
