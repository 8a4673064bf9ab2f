import { z } from 'zod';
import { Access, HostNames, refuseOpenListeners } from './node-config.ts';

/** Configuration of the central server. Strict, like the node's. */

const port = z.int().min(0).max(65_535);

export const ServerConfig = z
  .strictObject({
    version: z.literal(1).describe('Version of this file: 1'),
    access: Access,
    server: z
      .strictObject({
        host: z.string().default('0.0.0.0').describe('Address that the console and HTTP listen on'),
        port: port.default(8081).describe('HTTP port'),
        names: HostNames,
        max_upload_size_gb: z
          .number()
          .min(0.001)
          .max(1000)
          .default(50)
          .describe('Gigabytes of one recording'),
        upload_timeout_sec: z
          .int()
          .min(1)
          .max(86_400)
          .default(3600)
          .describe('An upload that takes longer is refused'),
      })
      .prefault({}),
    broker: z
      .strictObject({
        host: z.string().default('0.0.0.0').describe('Address that MQTT listens on'),
        port: port.default(1884).describe('MQTT port'),
      })
      .prefault({}),
    storage: z
      .strictObject({
        root: z.string().min(1).default('/data/soccer-rig').describe('Folder of all that central keeps'),
        sessions_path: z.string().min(1).default('sessions').describe('Below root unless absolute'),
        processing_path: z.string().min(1).default('processing').describe('Below root unless absolute'),
        temp_path: z
          .string()
          .min(1)
          .default('temp')
          .describe('Below root unless absolute; on the same disk as sessions_path'),
        min_free_space_gb: z
          .number()
          .min(0)
          .max(100_000)
          .default(50)
          .describe('Gigabytes that stay free: uploads beyond are refused'),
      })
      .prefault({}),
    database: z
      .strictObject({
        url: z
          .string()
          .min(1)
          .optional()
          .describe('postgres://… of a server of your own; a private one is started when left out'),
        path: z
          .string()
          .min(1)
          .default('database')
          .describe('Data of the private server, below storage.root unless absolute'),
      })
      .prefault({}),
    processing: z
      .strictObject({
        ffmpeg_path: z
          .string()
          .min(1)
          .default('/usr/bin/ffmpeg')
          .describe('The ffmpeg that is used; ffprobe lies beside it'),
        output_codec: z.enum(['h264', 'h265']).default('h264').describe('Codec of panoramas'),
        output_preset: z
          .enum(['ultrafast', 'superfast', 'veryfast', 'faster', 'fast', 'medium', 'slow', 'slower'])
          .default('medium')
          .describe('Preset of the encoder: faster ones make larger files'),
        stitch_overlap_px: z
          .int()
          .min(0)
          .max(2000)
          .multipleOf(2)
          .default(100)
          .describe('Pixels that neighbours share when a panorama is laid side by side'),
        panorama_on_complete: z
          .boolean()
          .default(true)
          .describe('Make the panorama as soon as all cameras are there'),
        segment_sec: z
          .int()
          .min(2)
          .max(3600)
          .default(60)
          .describe('Length of the pieces a panorama is encoded in; a piece that is done survives a crash'),
        parallel_segments: z
          .int()
          .min(1)
          .max(64)
          .optional()
          .describe('Pieces encoded at once; one for two cores when left out'),
        calibration: z
          .strictObject({
            hfov_deg: z
              .number()
              .min(20)
              .max(140)
              .default(66)
              .describe('Angle across the whole width of a camera'),
            overlap_deg: z
              .number()
              .min(1)
              .max(60)
              .default(12)
              .describe('What neighbours on the mast see together, as it was set up'),
            moments: z.int().min(1).max(24).default(5).describe('Moments of the match that are compared'),
          })
          .prefault({})
          .describe('Where the calibration of the cameras starts from'),
      })
      .prefault({}),
    log_level: z
      .enum(['fatal', 'error', 'warn', 'info', 'debug'])
      .default('info')
      .describe('What is logged at least'),
  })
  .superRefine((config, context) => {
    refuseOpenListeners(
      config.access,
      { 'server.host': config.server.host, 'broker.host': config.broker.host },
      context,
    );
  })
  .describe('Configuration of the central server');
export type ServerConfig = z.infer<typeof ServerConfig>;
