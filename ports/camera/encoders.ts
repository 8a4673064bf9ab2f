import { TouchlineError } from '#contracts/errors.ts';
import { type EncodingRung, RUNGS } from '#domain/ladder/rungs.ts';
import { KEYFRAME_INTERVAL_SEC, type Profile } from './camera.ts';

/** What an encoder is told, by the names of libavcodec: ffmpeg and `rpicam-vid --codec libav` take the same ones. */
export interface EncoderSettings {
  /** As `ffmpeg -encoders` lists it. */
  readonly encoder: string;
  readonly pixelFormat: string;
  /** Frames from key frame to key frame; undefined where every frame is one. */
  readonly keyframeInterval: number | undefined;
  /** Bits per second; undefined where quality decides. */
  readonly bitrate: number | undefined;
  readonly options: Readonly<Record<string, string>>;
}

/** How the stream of a profile travels: MPEG-TS where a standard says how, NUT for MJPEG; both with a time stamp for each frame. */
export type StreamFormat = 'mpegts' | 'nut';

type Shape = Pick<Profile, 'width' | 'height' | 'fps' | 'bitrateMbps'>;

const X264_COMMON = {
  tune: 'zerolatency',
  bf: '0',
  sc_threshold: '0',
  // What rpicam-vid sets by itself for --low-latency (encoder/libav_encoder.cpp), so that what is measured is what runs.
  refs: '1',
  slices: '4',
  thread_type: 'slice',
  me_range: '16',
  'motion-est': 'dia',
  weightp: 'none',
  weightb: '0',
  'rc-lookahead': '0',
} as const;

const SETTINGS: Record<
  EncodingRung,
  (shape: Shape) => Omit<EncoderSettings, 'keyframeInterval' | 'bitrate'>
> = {
  'x265-ultrafast': ({ fps }) => {
    const interval = keyframeInterval(fps);
    return {
      encoder: 'libx265',
      pixelFormat: 'yuv420p',
      options: {
        preset: 'ultrafast',
        tune: 'zerolatency',
        'x265-params': `keyint=${interval}:min-keyint=${interval}:scenecut=0:open-gop=0:bframes=0:repeat-headers=1:log-level=error`,
      },
    };
  },
  'x264-superfast': (shape) => x264('superfast', '1', shape),
  'x264-ultrafast': (shape) => x264('ultrafast', '0', shape),
  'mjpeg-q8': () => ({
    encoder: 'mjpeg',
    pixelFormat: 'yuvj420p',
    // Quality 8 of ffmpeg's scale, in units of lambda (FF_QP2LAMBDA is 118). Cameras give limited range, which it otherwise refuses.
    options: { flags: '+qscale', global_quality: String(8 * 118), strict: 'unofficial' },
  }),
};

function x264(preset: string, subq: string, shape: Shape): ReturnType<(typeof SETTINGS)[EncodingRung]> {
  const interval = String(keyframeInterval(shape.fps));
  return {
    encoder: 'libx264',
    pixelFormat: 'yuv420p',
    options: { preset, ...X264_COMMON, subq, keyint_min: interval, ...h264Level(shape) },
  };
}

/** rpicam-vid writes level 4.2 on pictures that exceed it; players may refuse them. Macroblocks per second by ITU-T H.264, A.3. */
function h264Level({ width, height, fps }: Shape): { level?: string } {
  const macroblocks = Math.ceil(width / 16) * Math.ceil(height / 16) * fps;
  if (macroblocks <= 245_760) return {};
  return { level: macroblocks <= 522_240 ? '4.2' : macroblocks <= 983_040 ? '5.1' : '5.2' };
}

function keyframeInterval(fps: number): number {
  return Math.max(1, Math.round(fps * KEYFRAME_INTERVAL_SEC));
}

function isEncodingRung(name: string): name is EncodingRung {
  return RUNGS.some((rung) => rung.name === name);
}

/** Settings of a profile's rung. Throws `internal` for one that does not encode. */
export function encoderSettings(profile: Profile): EncoderSettings {
  const { rung, fps, bitrateMbps } = profile;
  if (!isEncodingRung(rung)) throw new TouchlineError('internal', `there is no encoder for the rung ${rung}`);
  const allKeys = profile.codec === 'mjpeg';
  return {
    ...SETTINGS[rung](profile),
    keyframeInterval: allKeys ? undefined : keyframeInterval(fps),
    bitrate: allKeys ? undefined : Math.round(bitrateMbps * 1e6),
  };
}

/** The settings as arguments of ffmpeg. */
export function encoderArguments(profile: Profile): string[] {
  const { encoder, pixelFormat, keyframeInterval, bitrate, options } = encoderSettings(profile);
  return [
    ...['-c:v', encoder, '-pix_fmt', pixelFormat],
    ...Object.entries(options).flatMap(([name, value]) => [`-${name}`, value]),
    ...(keyframeInterval === undefined ? [] : ['-g', String(keyframeInterval)]),
    ...(bitrate === undefined ? [] : ['-b:v', bitrate, '-maxrate', bitrate, '-bufsize', bitrate].map(String)),
  ];
}

/** The settings as arguments of rpicam-vid. */
export function libavArguments(profile: Profile): string[] {
  const { encoder, keyframeInterval, bitrate, options } = encoderSettings(profile);
  const all = {
    ...options,
    ...(bitrate === undefined ? {} : { maxrate: String(bitrate), bufsize: String(bitrate) }),
  };
  return [
    ...['--codec', 'libav', '--libav-format', streamFormat(profile), '--libav-video-codec', encoder],
    ...[
      '--libav-video-codec-opts',
      Object.entries(all)
        .map(([name, value]) => `${name}=${value}`)
        .join(';'),
    ],
    ...(keyframeInterval === undefined ? [] : ['--intra', String(keyframeInterval)]),
    ...(bitrate === undefined ? [] : ['--bitrate', `${bitrate}bps`]),
  ];
}

export function streamFormat({ codec }: Pick<Profile, 'codec'>): StreamFormat {
  return codec === 'mjpeg' ? 'nut' : 'mpegts';
}
