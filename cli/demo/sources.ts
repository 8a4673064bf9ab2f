import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { probeFilm } from '#ports/camera/file.ts';

/** What each camera of the demo sees across its picture, degrees. */
export const DEMO_HFOV_DEG = 60;

/**
 * The cameras of the demo, in the order people see them. As on a real mast none of them looks exactly where it should, and each has
 * its own idea of light: that is what the calibration of the panorama is for.
 */
export const DEMO_CAMERAS = [
  {
    id: 'CAM_L',
    position: 'left',
    view: { yaw_deg: -47.6, pitch_deg: -14.5, roll_deg: 0.6 },
    exposure: { gain: 0.88, red: 1.04, blue: 0.98 },
  },
  { id: 'CAM_C', position: 'center', view: {}, exposure: {} },
  {
    id: 'CAM_R',
    position: 'right',
    view: { yaw_deg: 48.4, pitch_deg: -15.4, roll_deg: -0.4 },
    exposure: { gain: 1.12, red: 0.98, blue: 1.05 },
  },
] as const;

export type DemoCameraId = (typeof DEMO_CAMERAS)[number]['id'];
export type DemoSources = ReadonlyMap<DemoCameraId, string>;

/**
 * `CAM_L=FILE` … as files that exist and are videos, absolute. Throws `invalid_field`, `not_found` or
 * `source_not_video` before anything was started.
 */
export async function readSources(
  texts: readonly string[],
  cwd: string,
  signal: AbortSignal,
): Promise<DemoSources> {
  const sources = new Map<DemoCameraId, string>();
  for (const text of texts) {
    const equals = text.indexOf('=');
    const id = DEMO_CAMERAS.find((camera) => camera.id === text.slice(0, equals))?.id;
    if (equals < 1 || text.length === equals + 1) throw wrong(text, 'must look like CAM_L=FILE');
    if (id === undefined)
      throw wrong(
        text,
        `there is no such camera; the demo has ${DEMO_CAMERAS.map((camera) => camera.id).join(', ')}`,
      );
    if (sources.has(id)) throw wrong(text, `${id} has a file already`);
    const path = resolve(cwd, text.slice(equals + 1));
    if (!statSync(path, { throwIfNoEntry: false })?.isFile())
      throw new TouchlineError('not_found', `--source ${text}: there is no file ${path}`, {
        field: 'source',
        remedy: 'Give the path of a video file, from here or absolute.',
      });
    sources.set(id, path);
  }
  for (const path of sources.values()) await probeFilm(path, 8, signal);
  return sources;
}

function wrong(text: string, why: string): TouchlineError {
  return new TouchlineError('invalid_field', `--source ${text}: ${why}`, { field: 'source' });
}
