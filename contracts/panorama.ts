import { z } from 'zod';
import { ERRORS, type ErrorCode } from './errors.ts';
import { CameraId, RigId, SessionUid } from './ids.ts';
import { WireTime } from './time.ts';

/** The panorama: what may be asked of it, how the cameras of a mast stand to each other, and what came of it. */

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
    overlap_px: z
      .int()
      .min(0)
      .max(2000)
      .multipleOf(2)
      .optional()
      .describe('Width of the blend between two views'),
    codec: z.enum(['h264', 'h265']).optional(),
    preset: z
      .enum(['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower'])
      .optional(),
    match_exposure: z.boolean().default(true),
    width: z
      .int()
      .min(320)
      .max(16_384)
      .multipleOf(2)
      .optional()
      .describe('Of a calibrated panorama; as sharp as the cameras when left out'),
  })
  .describe('How a panorama is to be made; what is left out comes from the configuration of the server');
export type PanoramaSettings = z.infer<typeof PanoramaSettings>;

export const CalibratedCamera = z
  .object({
    camera_id: CameraId,
    width: z.int(),
    height: z.int(),
    hfov_deg: z.number().describe('Angle across the whole width'),
    yaw_deg: z.number().describe('To the right of the reference camera'),
    pitch_deg: z.number().describe('Above level'),
    roll_deg: z.number().describe('Clockwise, seen from behind'),
  })
  .describe('Direction of a camera, in the conventions of Hugin');
export type CalibratedCamera = z.infer<typeof CalibratedCamera>;

const Residuals = {
  control_points: z.int().describe('Details of the picture that two cameras see'),
  rms_px: z.number().describe('How far they are apart after calibration, in pixels of the recordings'),
  max_px: z.number(),
};

export const Calibration = z
  .object({
    v: z.literal(1),
    calibration_id: CalibrationId,
    made_at: WireTime,
    rig: RigId.nullable(),
    session_uid: SessionUid.describe('The session whose pictures it was made from'),
    cameras: z.array(CalibratedCamera).min(2).describe('From left to right'),
    ...Residuals,
    seams: z.array(z.object({ left: CameraId, right: CameraId, overlap_deg: z.number(), ...Residuals })),
  })
  .describe('How the cameras of a mast stand to each other');
export type Calibration = z.infer<typeof Calibration>;

export const CalibrationList = z.object({ calibrations: z.array(Calibration) });

const codes = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

export const CalibrationReason = z
  .object({
    code: z
      .enum([
        'not_wanted',
        'unknown_geometry',
        'too_few_control_points',
        'badly_spread_control_points',
        'poor_fit',
        'implausible_angles',
        'too_little_overlap',
        ...codes,
      ])
      .describe('Its own codes, or that of an error'),
    message: z.string().describe('With the numbers, for people'),
    usable: z.array(CalibrationId).describe('Kept calibrations of these cameras that can be asked for by id'),
  })
  .describe('Why a panorama is not calibrated');
export type CalibrationReason = z.infer<typeof CalibrationReason>;

const Step = z
  .object({ y: z.number(), u: z.number(), v: z.number() })
  .describe('Right view minus left view where they show the same, in levels of 8-bit video');

export const PanoramaResult = z.object({
  file: z.string().describe('Absolute path on the server'),
  width: z.int(),
  height: z.int(),
  fps: z.number(),
  duration_sec: z.number(),
  frames: z.int(),
  segments: z.int().describe('Pieces it was encoded in'),
  calibrated: z.boolean().describe('False: the views are laid side by side, not matched to each other'),
  calibration: Calibration.nullable(),
  calibration_origin: z
    .enum(['made', 'recognised', 'asked_for'])
    .nullable()
    .describe('Made from this session; kept and found to fit; or kept and asked for by id'),
  calibration_reason: CalibrationReason.nullable().describe('Why it is not calibrated'),
  exposure: z
    .array(
      z.object({
        camera_id: CameraId,
        gain: z.number().describe('Luma is multiplied by this'),
        offset: z.number().describe('… and raised by this, in levels'),
        u_gain: z.number(),
        u_offset: z.number(),
        v_gain: z.number(),
        v_offset: z.number(),
      }),
    )
    .describe('What was done to each view to match its neighbour; empty when nothing was'),
  seams: z.array(
    z.object({
      left: CameraId,
      right: CameraId,
      at_px: z.int().describe('Column of the panorama in the middle of the blend'),
      width_px: z.int(),
      residual_px: z.number().nullable().describe('Rms of the control points, pixels of the recordings'),
      exposure_step_before: Step.nullable(),
      exposure_step_after: Step.nullable(),
    }),
  ),
  layout: z.string(),
  cameras: z.array(CameraId),
  from: WireTime.describe('When the last camera had begun, master time'),
  to: WireTime.describe('When the first camera ended for good'),
  missing: z
    .array(z.object({ camera_id: CameraId, from: WireTime, to: WireTime }))
    .default([])
    .describe('When the place of a camera is black, because it recorded nothing'),
  uncovered_sec: z.number().describe('Recorded time before `from` or after `to`'),
  notes: z.array(z.string()),
});
export type PanoramaResult = z.infer<typeof PanoramaResult>;
