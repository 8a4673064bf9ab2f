import { z } from 'zod';

/** The camera of a node, one variant per source. The default of a value stands here and nowhere else. */

const picture = z.int().min(64).max(9248).multipleOf(2);
const WantedCodec = z
  .enum(['h264', 'h265', 'mjpeg'])
  .default('h265')
  .describe('Wanted; a machine that cannot sustain it records the next best');
const WantedRung = z
  .string()
  .regex(/^(auto|[a-z0-9-]{1,32})$/)
  .default('auto')
  .describe('`auto`: the best that this machine was measured to sustain; or the name of one rung');

export const CameraConfig = z.discriminatedUnion('source', [
  z
    .strictObject({
      source: z.literal('test-pattern'),
      width: z
        .int()
        .min(1280)
        .max(7680)
        .multipleOf(2)
        .default(1280)
        .describe('Pixels; the burned-in clock needs 1280'),
      height: z.int().min(144).max(4320).multipleOf(2).default(720).describe('Pixels'),
      fps: z.int().min(1).max(120).default(30).describe('Frames per second'),
      bitrate_mbps: z.number().min(0.5).max(100).default(4).describe('Mbit/s'),
      scene: z
        .enum(['bars', 'pitch'])
        .default('bars')
        .describe('Moving bars, or a football match seen from the mast'),
      hue_deg: z.int().min(0).max(359).default(0).describe('Colour shift of the bars, to tell cameras apart'),
      view: z
        .strictObject({
          hfov_deg: z.number().min(20).max(120).default(60).describe('Degrees across the picture'),
          yaw_deg: z
            .number()
            .min(-180)
            .max(180)
            .optional()
            .describe('To the right; by position when left out, so that neighbours overlap by 12 degrees'),
          pitch_deg: z.number().min(-60).max(60).default(-15).describe('Upwards'),
          roll_deg: z.number().min(-45).max(45).default(0).describe('Clockwise'),
        })
        .prefault({})
        .describe('Where the camera looks at the pitch'),
      exposure: z
        .strictObject({
          gain: z.number().min(0.25).max(4).default(1).describe('Light let in; 2 is one stop more'),
          red: z.number().min(0.5).max(2).default(1).describe('Factor of red: white balance'),
          blue: z.number().min(0.5).max(2).default(1).describe('Factor of blue: white balance'),
        })
        .prefault({})
        .describe('How the camera renders the pitch: no two cameras do it alike'),
    })
    .describe('A moving picture with a machine-readable clock burned in'),
  z
    .strictObject({
      source: z.literal('file'),
      path: z.string().min(1).describe('Video file, played at real-time pace, looped when short'),
      bitrate_mbps: z
        .number()
        .min(0.5)
        .max(100)
        .default(8)
        .describe('Mbit/s, when the file has to be encoded again'),
    })
    .describe('A video file instead of a camera'),
  z
    .strictObject({
      source: z.literal('rpicam'),
      width: picture.default(3840).describe('Pixels wanted; what the sensor offers decides'),
      height: picture.default(2160).describe('Pixels wanted'),
      fps: z.int().min(1).max(120).default(30).describe('Frames per second wanted'),
      bitrate_mbps: z.number().min(25).max(35).default(30).describe('Mbit/s at 3840x2160, 25 to 35'),
      codec: WantedCodec,
      encoder: WantedRung,
      number: z
        .int()
        .min(0)
        .max(3)
        .default(0)
        .describe('Which camera, as `rpicam-hello --list-cameras` counts'),
      rotation: z.literal([0, 180]).default(0).describe('Degrees; 180 for a camera that hangs upside down'),
      frame_sync: z
        .boolean()
        .default(true)
        .describe('Align the exposures of the rig, where the camera stack can'),
    })
    .describe('A camera on the CSI connector of a Raspberry Pi'),
  z
    .strictObject({
      source: z.literal('v4l2'),
      device: z
        .string()
        .regex(/^\/dev\/[A-Za-z0-9_./:-]+$/, 'must be a path below /dev')
        .default('/dev/video0')
        .describe('Best by name: /dev/v4l/by-id/…'),
      width: picture.default(1920).describe('Pixels wanted'),
      height: picture.default(1080).describe('Pixels wanted'),
      fps: z.int().min(1).max(120).default(30).describe('Frames per second wanted'),
      bitrate_mbps: z.number().min(0.5).max(100).default(10).describe('Mbit/s'),
      codec: WantedCodec,
      encoder: WantedRung,
    })
    .describe('A USB or other V4L2 camera'),
  z
    .strictObject({
      source: z.literal('rtsp'),
      url: z
        .url({ protocol: /^rtsps?$/ })
        .describe('Address of the stream, with its user and password where it needs them')
        .meta({ secret: true }),
      transport: z.enum(['tcp', 'udp']).default('tcp').describe('How its packets come'),
      bitrate_mbps: z
        .number()
        .min(0.5)
        .max(100)
        .default(10)
        .describe('Mbit/s, when the stream has to be encoded again'),
    })
    .describe('A network camera'),
]);
export type CameraConfig = z.infer<typeof CameraConfig>;
