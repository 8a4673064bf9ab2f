import type { CameraConfig } from '#contracts/camera-config.ts';
import { TouchlineError } from '#contracts/errors.ts';
import { ladderFor } from '#domain/ladder/ladder.ts';
import { type Clock, wallAt } from '#ports/clock/clock.ts';
import { runProgram, startProgram } from '#ports/program/program.ts';
import type { Camera, CameraOffer, Profile } from './camera.ts';
import { libavArguments, streamFormat } from './encoders.ts';
import { streamOf } from './ffmpeg-stream.ts';
import { watchLines } from './first-frame.ts';
import { modeFor, parseCameraList, type RpicamCamera } from './rpicam-list.ts';

export type RpicamConfig = Extract<CameraConfig, { source: 'rpicam' }>;

const PROGRAM = 'rpicam-vid';
/** The first release that tells when its first frame was exposed, by the wall clock (rpicam-apps, commits 620f517 and c72763a). */
const LEAST_VERSION = { major: 1, minor: 8 };
/** Time stamps of this size count from 1970, smaller ones from the start of the machine, microseconds. */
const SINCE_1970_US = 1e15;
/** A wall clock that is off by more than this, beyond what a time daemon makes it go faster or slower (chrony: 1 in 12), was set. */
const SET_US = 50_000;
const SLEWED_SHARE = 0.1;

/**
 * A camera on the CSI connector of a Raspberry Pi, through `rpicam-vid`.
 *
 * With MPEG-TS, rpicam-vid writes no `--metadata` and keeps it all in memory, so it is not asked for: `--verbose 2` tells the exposure of
 * the first frame, from which its time stamps count. That is libcamera's FrameWallClock: the sensor's time stamp (CLOCK_MONOTONIC of the
 * capture interrupt, first line exposed) seen through a filtered CLOCK_REALTIME.
 */
export function rpicam(config: RpicamConfig, clock: Clock): Camera {
  let camera: RpicamCamera | undefined;
  // Listing takes hold of the camera, so a running one is not asked again; and it cannot be unplugged while the machine runs.
  const found = async (signal: AbortSignal): Promise<RpicamCamera> => {
    camera ??= await findCamera(config.number, signal);
    return camera;
  };
  return {
    source: 'rpicam',
    live: true,
    async probe(signal): Promise<CameraOffer> {
      const { model, modes } = await found(signal);
      const [best, ...others] = ladderFor({
        wanted: {
          width: config.width,
          height: config.height,
          fps: config.fps,
          codec: config.codec,
          encoder: config.encoder,
          bitrateMbps: config.bitrate_mbps,
        },
        modes,
        scales: true,
        follows: config.frame_sync,
      });
      if (!best) {
        const why = modes.length === 0 ? `${model} tells no mode` : `there is no encoder ${config.encoder}`;
        throw new TouchlineError('camera_missing', `the camera cannot be used: ${why}`, { field: 'camera' });
      }
      const requested = `${config.codec} ${config.width}x${config.height}@${config.fps}`;
      return { requested, profiles: [best, ...others] };
    },
    async open({ profile, frameSync, signal }) {
      const { modes } = await found(signal);
      signal.throwIfAborted();
      const mode = modeFor(modes, profile);
      const args = rpicamArguments(config, profile, mode?.option, frameSync);
      const opened = { monoUs: clock.monoUs(), bootWallUs: wallAt(clock, 0) };
      const program = await startProgram(PROGRAM, args, { stdout: 'pipe' });
      const output = program.child.stdout;
      if (!output) throw new TouchlineError('internal', `${PROGRAM} was started without stdout`);
      const firstFrameMonoUs = Promise.withResolvers<number>();
      let started = false;
      let synced = false;
      watchLines(program, (line) => {
        const at = /^Video start timestamp : (\d+) us/.exec(line)?.[1];
        if (at !== undefined) firstFrameMonoUs.resolve(exposureOf(Number(at), opened, clock));
        if (line.includes('*** Sync achieved!')) synced = true;
        started ||= at !== undefined;
        return !started || (frameSync !== undefined && !synced);
      });
      const stream = streamOf(
        'rpicam',
        // By SIGINT it hands over what its encoder still holds.
        { program, output, name: PROGRAM, format: streamFormat(profile), stopSignal: 'SIGINT' },
        firstFrameMonoUs.promise,
        () => undefined,
      );
      return { ...stream, frameSynced: () => synced };
    },
  };
}

/** Arguments of rpicam-vid. `mode`: how to read the sensor; chosen by libcamera when left out. */
export function rpicamArguments(
  config: RpicamConfig,
  profile: Profile,
  mode: string | undefined,
  frameSync: 'server' | 'client' | undefined,
): string[] {
  return [
    ...['--camera', String(config.number), '--nopreview', '--timeout', '0', '--verbose', '2'],
    ...['--width', String(profile.width), '--height', String(profile.height)],
    ...['--framerate', String(profile.fps)],
    ...(mode === undefined ? [] : ['--mode', mode]),
    ...(config.rotation === 0 ? [] : ['--rotation', String(config.rotation)]),
    ...['--low-latency', ...libavArguments(profile)],
    ...(frameSync && config.frame_sync ? ['--sync', frameSync] : []),
    ...['--output', '-'],
  ];
}

async function findCamera(number: number, signal: AbortSignal): Promise<RpicamCamera> {
  const version = await runProgram(PROGRAM, ['--version'], signal);
  const tooOld = unfit(version);
  if (tooOld !== undefined)
    throw new TouchlineError('program_missing', `${PROGRAM} ${tooOld}: apt-get install -y rpicam-apps`, {
      details: { program: PROGRAM, debian_package: 'rpicam-apps' },
    });
  const cameras = parseCameraList(await runProgram(PROGRAM, ['--list-cameras'], signal));
  const camera = cameras.find((one) => one.number === number);
  if (camera) return camera;
  const there = cameras.map((one) => `${one.number} (${one.model})`).join(', ') || 'none';
  throw new TouchlineError(
    'camera_missing',
    `there is no camera ${number} on the CSI connector; found: ${there}`,
    {
      field: 'camera.number',
    },
  );
}

/** What an installed rpicam-vid lacks, from what it says of itself; undefined when nothing. */
function unfit(version: string): string | undefined {
  const [, major = 0, minor = 0] = (/build: v(\d+)\.(\d+)/.exec(version) ?? []).map(Number);
  if (major < LEAST_VERSION.major || (major === LEAST_VERSION.major && minor < LEAST_VERSION.minor))
    return `is older than ${LEAST_VERSION.major}.${LEAST_VERSION.minor}`;
  return /libav:1/.test(version) ? undefined : 'was built without libav';
}

/**
 * When a frame was exposed, monotonic microseconds, from the time that rpicam-vid has just told. `opened`: when it was started, and the
 * wall clock at monotonic zero then. A time that cannot be, or a wall clock that was set meanwhile, tells nothing: then it is now, late by
 * what the encoder took.
 */
export function exposureOf(
  timeUs: number,
  opened: { readonly monoUs: number; readonly bootWallUs: number },
  clock: Pick<Clock, 'monoUs' | 'wallUs'>,
): number {
  const nowUs = clock.monoUs();
  const bootWallUs = wallAt(clock, 0);
  const byWall = timeUs > SINCE_1970_US;
  const monoUs = byWall ? Math.round(timeUs - bootWallUs) : timeUs;
  const slewedUs = (nowUs - opened.monoUs) * SLEWED_SHARE;
  const wasSet = byWall && Math.abs(bootWallUs - opened.bootWallUs) > SET_US + slewedUs;
  return wasSet || monoUs < opened.monoUs || monoUs > nowUs ? nowUs : monoUs;
}
