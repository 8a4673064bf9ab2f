import type { ClockReading, Gate } from '#contracts/manifest.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import type { RecorderState } from '#contracts/states.ts';
import { startGates } from '#domain/gates/gates.ts';
import type { Camera, CameraMode } from '#ports/camera/camera.ts';
import type { Disk } from '#ports/disk/disk.ts';

/** Camera and disk as last looked at, and what they say to a start. */
export interface Devices {
  /** What the camera delivers; undefined when there is none. */
  readonly mode: CameraMode | undefined;
  /** Looks at both. A device that is not there is a reading, not an error. */
  look(signal: AbortSignal): Promise<CameraMode | undefined>;
  /** Looks at the disk alone: cheap enough to do always. */
  lookAtDisk(): Promise<void>;
  gates(clock: ClockReading): Gate[];
  state(): Pick<RecorderState, 'camera' | 'disk'>;
}

const NOT_YET = 'not looked at yet';

export function createDevices(camera: Camera, disk: Disk, config: NodeConfig): Devices {
  let mode: CameraMode | undefined;
  let cameraReason: string | null = NOT_YET;
  let space: { freeBytes: number; totalBytes: number } | undefined;
  let diskReason: string | null = NOT_YET;

  const lookAtDisk = async (): Promise<void> => {
    try {
      space = await disk.space();
      diskReason = null;
    } catch (error) {
      space = undefined;
      diskReason = reasonOf(error);
    }
  };

  return {
    get mode() {
      return mode;
    },
    async look(signal) {
      try {
        mode = await camera.probe(signal);
        cameraReason = null;
      } catch (error) {
        mode = undefined;
        cameraReason = reasonOf(error);
      }
      await lookAtDisk();
      return mode;
    },
    lookAtDisk,
    gates: (clock) =>
      startGates(
        {
          camera: { present: mode !== undefined, reason: cameraReason },
          disk: {
            present: space !== undefined,
            reason: diskReason,
            freeBytes: space?.freeBytes ?? null,
            totalBytes: space?.totalBytes ?? null,
          },
          clock,
          bitrateMbps: mode?.bitrateMbps ?? 0,
        },
        {
          expectedDurationMin: config.recording.expected_duration_min,
          freeWarnPercent: config.recording.free_warn_percent,
          freeBlockPercent: config.recording.free_block_percent,
        },
      ),
    state: () => ({
      camera: {
        source: camera.source,
        present: mode !== undefined,
        width: mode?.width ?? 0,
        height: mode?.height ?? 0,
        fps: mode?.fps ?? 0,
        codec: mode?.codec ?? 'h264',
        reason: cameraReason,
      },
      disk: {
        present: space !== undefined,
        free_bytes: space?.freeBytes ?? null,
        total_bytes: space?.totalBytes ?? null,
        minutes_left:
          space && mode ? Math.floor((space.freeBytes * 8) / (mode.bitrateMbps * 1e6) / 60) : null,
      },
    }),
  };
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
