import type { ClockReading } from '#contracts/manifest.ts';
import { MAX_RATE_PPM } from './estimator.ts';

/** Rig time as a straight line over the monotonic clock of one kernel: good near `monoUs`, and worse with every second away from it. */
export interface RigTimeLine {
  readonly monoUs: number;
  /** Rig time at `monoUs`, microseconds since 1970. */
  readonly masterUs: number;
  /** Rig time runs faster than the monotonic clock by this, parts per million. */
  readonly ratePpm: number;
}

/** Rig time at a monotonic instant, whole microseconds. */
export function masterOfMono(line: RigTimeLine, monoUs: number): number {
  const sinceUs = monoUs - line.monoUs;
  // The small part apart: the whole has too many digits to be multiplied by a rate near 1.
  return line.masterUs + sinceUs + Math.round((sinceUs * line.ratePpm) / 1e6);
}

/** The monotonic instant of a rig time, whole microseconds. */
export function monoOfMaster(line: RigTimeLine, masterUs: number): number {
  const sinceUs = masterUs - line.masterUs;
  return line.monoUs + sinceUs - Math.round((sinceUs * line.ratePpm) / (1e6 + line.ratePpm));
}

/**
 * By how much a mapping may have become wrong `ageUs` away from its instant, milliseconds: by the most that two clocks can run
 * apart. A clock of this kernel cannot run away from its own monotonic clock: the kernel slews both alike.
 */
export function growthMs(source: ClockReading['source'], ageUs: number): number {
  const ppm = source === 'same_kernel' || source === 'master' ? 0 : MAX_RATE_PPM;
  return (Math.abs(ageUs) * ppm) / 1e9;
}
