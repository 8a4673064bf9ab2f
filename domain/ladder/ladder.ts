import type { VideoCodec } from '#contracts/manifest.ts';
import { type LadderProfile, loadOf, RUNGS, rungNamed } from './rungs.ts';

/** What the configuration wants. */
export interface Wanted {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
  readonly codec: VideoCodec;
  /** `auto`, or the one rung that is to be used whatever it was measured to do. */
  readonly encoder: string;
  /** At the wanted size and rate, Mbit/s. */
  readonly bitrateMbps: number;
}

/** A way to read the sensor, as it says itself. */
export interface SensorMode {
  readonly width: number;
  readonly height: number;
  /** The most that it delivers, frames per second. */
  readonly fps: number;
}

/** Sizes to fall back to where the camera scales, by their height; the width follows the wanted shape. */
const SMALLER_HEIGHTS = [1440, 1080, 720];
/** Rates to fall back to before the picture gets smaller. */
const SLOWER_FPS = [20];
/** A ball in flight needs pictures: below this share of the wanted rate a smaller picture is the better choice. */
const LEAST_RATE = 0.6;
/** A camera that follows another's beat needs room to shorten a frame: its rate stays below the mode's maximum (rpicam-apps). */
const SYNC_HEADROOM = 0.998;
/** The upper end of what MJPEG at quality 8 made of 4K30 pictures, Mbit/s (measured; no rate control). */
const MJPEG_4K30_MBPS = 230;
const PIXELS_4K = 3840 * 2160;

/**
 * All ways to record that the camera and the configuration allow, best first; each next one asks less of the machine.
 * `scales`: the camera delivers every size that fits into a mode (an ISP does); otherwise the sizes of its modes only. `follows`: its beat
 * is to follow another camera's. Empty when there is no mode, or no rung of the wanted name.
 */
export function ladderFor({
  wanted,
  modes,
  scales,
  follows = false,
}: {
  wanted: Wanted;
  modes: readonly SensorMode[];
  scales: boolean;
  follows?: boolean;
}): LadderProfile[] {
  const rungs =
    wanted.encoder === 'auto'
      ? RUNGS.slice(RUNGS.findIndex(({ codec }) => codec === wanted.codec))
      : [rungNamed(wanted.encoder)].filter((rung) => rung !== undefined);
  const profiles: LadderProfile[] = [];
  let least = Number.POSITIVE_INFINITY;
  for (const [n, picture] of pictures(wanted, modes, scales, follows).entries())
    for (const { name, codec } of rungs) {
      const candidate = { ...picture, codec, rung: name };
      // A little cheaper and many times as large: it saves the best picture, and nothing below.
      if (n > 0 && codec === 'mjpeg' && rungs.length > 1) continue;
      // A cheaper rung of a larger picture was there already.
      if (loadOf(candidate) >= least) continue;
      least = loadOf(candidate);
      profiles.push({ ...candidate, bitrateMbps: bitrateFor(candidate, wanted) });
    }
  return profiles;
}

interface Picture {
  readonly width: number;
  readonly height: number;
  readonly fps: number;
}

/** Pictures that the camera can deliver, best first. */
function pictures(
  wanted: Wanted,
  modes: readonly SensorMode[],
  scales: boolean,
  follows: boolean,
): Picture[] {
  const fastest = ({ width, height }: { width: number; height: number }): number =>
    Math.max(
      0,
      ...modes
        .filter((mode) =>
          scales ? mode.width >= width && mode.height >= height : same(mode, { width, height }),
        )
        .map((mode) => (follows ? Math.floor(mode.fps * SYNC_HEADROOM) : Math.floor(mode.fps + 0.01))),
    );
  const sizes = scales ? scaledSizes(wanted, modes) : offeredSizes(wanted, modes);
  const found = sizes.flatMap((size): Picture[] => {
    const most = Math.min(wanted.fps, fastest(size));
    const slower = SLOWER_FPS.filter((fps) => fps < most && fps >= wanted.fps * LEAST_RATE);
    return [most, ...slower].filter((fps) => fps > 0).map((fps) => ({ ...size, fps }));
  });
  const fluent = found.filter(({ fps }) => fps >= wanted.fps * LEAST_RATE);
  return (fluent.length > 0 ? fluent : found).sort(
    (a, b) => b.width * b.height * b.fps - a.width * a.height * a.fps,
  );
}

/** The wanted size, what each mode holds of its shape, and the usual steps below. */
function scaledSizes(wanted: Wanted, modes: readonly SensorMode[]): { width: number; height: number }[] {
  const shape = wanted.width / wanted.height;
  const inside = modes.map(({ width, height }) =>
    width / height > shape
      ? { width: even(height * shape), height: even(height) }
      : { width: even(width), height: even(width / shape) },
  );
  const steps = SMALLER_HEIGHTS.map((height) => ({ width: even(height * shape), height }));
  return distinct(
    [wanted, ...inside, ...steps]
      .map(({ width, height }) => ({ width, height }))
      .filter(({ width, height }) => width <= wanted.width && height <= wanted.height),
  );
}

/** Sizes of the modes up to the wanted one; the smallest of all when each is larger. */
function offeredSizes(wanted: Wanted, modes: readonly SensorMode[]): { width: number; height: number }[] {
  const sizes = modes
    .map(({ width, height }) => ({ width, height }))
    .sort((a, b) => a.width * a.height - b.width * b.height);
  const fitting = sizes.filter(({ width, height }) => width <= wanted.width && height <= wanted.height);
  return distinct(fitting.length > 0 ? fitting : sizes.slice(0, 1));
}

/**
 * Mbit/s: the wanted rate at the wanted size, less for smaller pictures, by the power of 3/4 that
 * recommendations for streaming follow. MJPEG takes what its quality needs: the upper end of what was measured.
 */
function bitrateFor(picture: Picture & { codec: VideoCodec }, wanted: Wanted): number {
  const pixelRate = (of: Picture): number => of.width * of.height * of.fps;
  const mbps =
    picture.codec === 'mjpeg'
      ? (MJPEG_4K30_MBPS * pixelRate(picture)) / (PIXELS_4K * 30)
      : wanted.bitrateMbps * (pixelRate(picture) / pixelRate(wanted)) ** 0.75;
  return Math.max(0.1, Math.round(mbps * 10) / 10);
}

function even(pixels: number): number {
  return Math.floor(pixels / 2) * 2;
}

function same(a: { width: number; height: number }, b: { width: number; height: number }): boolean {
  return a.width === b.width && a.height === b.height;
}

function distinct<T extends { width: number; height: number }>(sizes: readonly T[]): T[] {
  return sizes.filter((size, n) => sizes.findIndex((other) => same(size, other)) === n);
}
