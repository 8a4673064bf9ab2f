import { setTimeout as delay } from 'node:timers/promises';
import type { ClockReading, Gate } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import { type GateReadings, startGates } from '#domain/gates/gates.ts';
import { minutesOfSpace } from '#domain/health/battery-run.ts';
import { type Camera, type CameraOffer, profileName } from '#ports/camera/camera.ts';
import type { Disk } from '#ports/disk/disk.ts';
import type { Vitals } from '#ports/vitals/vitals.ts';
import type { ChosenProfile } from './part.ts';

/** Camera, disk and machine as last looked at, and what they say to a start. */
export interface Devices {
  readonly offer: CameraOffer | undefined;
  /** What the camera is to deliver; undefined when there is none. */
  readonly chosen: Choice | undefined;
  /** Looks at all. A device that is not there is a reading, not an error. */
  look(signal: AbortSignal): Promise<Choice | undefined>;
  /** The same at a start, which does not wait for long: what the camera offered last will do. */
  lookSoon(signal: AbortSignal): Promise<Choice | undefined>;
  /** Looks at all but the camera: cheap enough to do always. */
  lookAround(): Promise<void>;
  gates(clock: ClockReading, update: GateReadings['update']): Gate[];
  /** `recorded`: what a recording that runs is made with; what the next one would be made with when left out. */
  state(recorded?: ChosenProfile): Pick<RecorderState, 'camera' | 'disk' | 'profile'>;
}

/** The profile for the next recording. */
export interface Choice extends ChosenProfile {
  /** Whether this machine was measured to sustain it. */
  readonly measured: boolean;
}

export type Choose = (offer: CameraOffer) => Pick<Choice, 'profile' | 'reason' | 'measured'>;

const NOT_YET = 'not looked at yet';
const PROBE_LIMIT_MS = 5000;
const PROBE_PATIENCE_MS = 500;

export function createDevices(options: {
  camera: Camera;
  disk: Disk;
  vitals: Vitals;
  config: NodeConfig;
  choose: Choose;
}): Devices {
  const { camera, disk, vitals, config, choose } = options;
  let offer: CameraOffer | undefined;
  let temperature: GateReadings['temperature'] = null;
  let battery: GateReadings['battery'] = null;
  let cameraReason: string | null = NOT_YET;
  let space: { freeBytes: number; totalBytes: number } | undefined;
  let diskReason: string | null = NOT_YET;

  const choice = (): Choice | undefined => offer && { requested: offer.requested, ...choose(offer) };

  const lookAround = async (): Promise<void> => {
    [temperature, battery] = await Promise.all([vitals.temperature(), vitals.battery()]);
    try {
      space = await disk.space();
      diskReason = null;
    } catch (error) {
      space = undefined;
      diskReason = reasonOf(error);
    }
  };

  /** One question at a time, and never a long one: a camera that does not answer is not there. */
  let probing: Promise<CameraOffer> | undefined;
  const probeOnce = (signal: AbortSignal): Promise<CameraOffer> => {
    probing ??= camera.probe(AbortSignal.any([signal, AbortSignal.timeout(PROBE_LIMIT_MS)])).finally(() => {
      probing = undefined;
    });
    return probing;
  };

  const look = async (signal: AbortSignal): Promise<Choice | undefined> => {
    try {
      offer = await probeOnce(signal);
      cameraReason = null;
    } catch (error) {
      offer = undefined;
      cameraReason = reasonOf(error);
    }
    await lookAround();
    return choice();
  };

  return {
    get offer() {
      return offer;
    },
    get chosen() {
      return choice();
    },
    look,
    lookSoon: (signal) =>
      offer === undefined
        ? look(signal)
        : Promise.race([look(signal), delay(PROBE_PATIENCE_MS).then(choice)]),
    lookAround,
    gates: (clock, update) =>
      startGates(
        {
          camera: { present: offer !== undefined, reason: cameraReason },
          disk: {
            present: space !== undefined,
            reason: diskReason,
            freeBytes: space?.freeBytes ?? null,
            totalBytes: space?.totalBytes ?? null,
          },
          clock,
          battery,
          temperature,
          update,
          bitrateMbps: choice()?.profile.bitrateMbps ?? 0,
        },
        {
          expectedDurationMin: config.recording.expected_duration_min,
          freeWarnPercent: config.recording.free_warn_percent,
          freeBlockPercent: config.recording.free_block_percent,
        },
      ),
    state: (recorded) => {
      const next = choice();
      const chosen = recorded ?? next;
      const profile = chosen?.profile;
      return {
        profile: chosen
          ? {
              requested: chosen.requested,
              effective: profileName(chosen.profile),
              reason: chosen.reason,
              measured: next?.profile === chosen.profile && next.measured,
            }
          : null,
        camera: {
          source: camera.source,
          present: profile !== undefined,
          width: profile?.width ?? 0,
          height: profile?.height ?? 0,
          fps: profile?.fps ?? 0,
          codec: profile?.codec ?? 'h264',
          reason: cameraReason,
        },
        disk: {
          present: space !== undefined,
          free_bytes: space?.freeBytes ?? null,
          total_bytes: space?.totalBytes ?? null,
          minutes_left: minutesOfSpace(space?.freeBytes ?? null, profile?.bitrateMbps),
        },
      };
    },
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
