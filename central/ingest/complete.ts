import type { CameraId } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';

/** What completeness depends on: one row for each file that is there. */
export interface Arrived {
  readonly cameraId: CameraId;
  readonly part: number;
  /** From its manifest; null when it came without one. */
  readonly final: boolean | null;
}

/** Cameras of a rig whose session record was never seen. */
const USUAL_CAMERAS: readonly CameraId[] = ['CAM_L', 'CAM_C', 'CAM_R'];

/** The cameras that took part: those of the record that were ready. */
export function expectedCameras(record: RigSession | undefined): readonly CameraId[] {
  if (record === undefined) return USUAL_CAMERAS;
  return record.cameras.filter((camera) => camera.state === 'ready').map((camera) => camera.camera_id);
}

/** The cameras that have not sent their last part and all parts before it. */
export function missingCameras(
  expected: readonly CameraId[],
  arrived: readonly Arrived[],
): readonly CameraId[] {
  return expected.filter((cameraId) => {
    const own = arrived.filter((one) => one.cameraId === cameraId);
    const last = own.find((one) => one.final === true)?.part;
    if (last === undefined) return true;
    const parts = new Set(own.map((one) => one.part));
    return !Array.from({ length: last }, (_, index) => index + 1).every((part) => parts.has(part));
  });
}
