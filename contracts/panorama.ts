import { z } from 'zod';
import { CameraId } from './ids.ts';
import { WireTime } from './time.ts';

/** The panorama: what may be asked of it, and what came of it. */

export const CalibrationId = z
  .string()
  .regex(/^[0-9A-Za-z-]{1,64}$/, 'must be 1 to 64 of letters, digits and "-"')
  .describe('Calibration of the cameras on one mast position');
export type CalibrationId = z.infer<typeof CalibrationId>;

export const PanoramaSettings = z
  .object({
    calibration: z
      .union([z.enum(['auto', 'none']), CalibrationId])
      .default('auto')
      .describe('`auto`: a kept one that fits, else a new one; `none`: the views side by side'),
    overlap_px: z.int().min(0).max(2000).multipleOf(2).optional(),
    codec: z.enum(['h264', 'h265']).optional(),
    preset: z
      .enum(['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower'])
      .optional(),
    match_exposure: z.boolean().default(true),
    width: z.int().min(320).max(16_384).multipleOf(2).optional(),
  })
  .describe('How a panorama is to be made; what is left out comes from the configuration of the server');
export type PanoramaSettings = z.infer<typeof PanoramaSettings>;

export const PanoramaResult = z.object({
  file: z.string().describe('Absolute path on the server'),
  width: z.int(),
  height: z.int(),
  duration_sec: z.number(),
  frames: z.int(),
  calibrated: z.boolean().describe('False: the views are laid side by side, not matched to each other'),
  layout: z.string(),
  cameras: z.array(CameraId),
  from: WireTime.describe('Start of the common span, master time'),
  to: WireTime,
  uncovered_sec: z.number().describe('Recorded time outside the span that was used'),
  notes: z.array(z.string()),
});
export type PanoramaResult = z.infer<typeof PanoramaResult>;
