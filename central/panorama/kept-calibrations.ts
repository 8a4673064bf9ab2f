import { createHash } from 'node:crypto';
import { TouchlineError } from '#contracts/errors.ts';
import { centralLayout } from '#contracts/layout.ts';
import { Calibration } from '#contracts/panorama.ts';
import { fileStamp, fromWireTime } from '#contracts/time.ts';
import type { RectilinearCamera } from '#domain/camera-geometry/rectilinear.ts';
import { type BlobStore, putText, readText } from '#ports/blobs/blobs.ts';

/** The calibrations that a store keeps, one file each. */
export interface KeptCalibrations {
  /** Newest first; without those whose file cannot be read, which is told. */
  list(): Promise<Calibration[]>;
  /** Rejects with `not_found`. */
  get(calibrationId: string): Promise<Calibration>;
  /** Stores it under an id of its own. */
  keep(calibration: Omit<Calibration, 'calibration_id'>): Promise<Calibration>;
}

export function keptCalibrations(store: BlobStore, warn: (message: string) => void): KeptCalibrations {
  const read = async (name: string): Promise<Calibration> =>
    Calibration.parse(JSON.parse(await readText(store, name)));
  return {
    async list() {
      const names = (await store.list(centralLayout.calibrations)).filter((name) => name.endsWith('.json'));
      const all = await Promise.all(
        names.map((name) =>
          read(name).catch((error: unknown) => {
            warn(`${name} is left out: ${error instanceof Error ? error.message : String(error)}`);
            return [];
          }),
        ),
      );
      return all.flat().sort((a, b) => fromWireTime(b.made_at) - fromWireTime(a.made_at));
    },
    async get(calibrationId) {
      const name = centralLayout.calibration(calibrationId);
      if (!(await store.find(name)))
        throw new TouchlineError('not_found', `there is no calibration ${calibrationId}`);
      return read(name);
    },
    async keep(calibration) {
      const hash = createHash('sha256').update(JSON.stringify(calibration)).digest('hex').slice(0, 6);
      const stamp = fileStamp(fromWireTime(calibration.made_at)).replace('_', '-');
      const kept = Calibration.parse({ ...calibration, calibration_id: `${stamp}-${hash}` });
      await putText(
        store,
        centralLayout.calibration(kept.calibration_id),
        `${JSON.stringify(kept, null, 2)}\n`,
      );
      return kept;
    },
  };
}

/** The cameras of a calibration, as geometry. */
export function camerasOf({ cameras }: Pick<Calibration, 'cameras'>): RectilinearCamera[] {
  return cameras.map((camera) => ({
    width: camera.width,
    height: camera.height,
    hfovDeg: camera.hfov_deg,
    yawDeg: camera.yaw_deg,
    pitchDeg: camera.pitch_deg,
    rollDeg: camera.roll_deg,
  }));
}
