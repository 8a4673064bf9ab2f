import { runForeign } from './programs.ts';

export const FILM_MBPS = 35;
export const FILM_FPS = 30;
export const FILM_SEC = 12;

/**
 * A film as a camera's encoder would send it: H.264 1920x1080 at 30 fps and a constant 35 Mbit/s (noise, so that the
 * encoder has something to spend it on), a key frame every 0.5 s, no B-frames. Encoded once, replayed by all.
 */
export async function makeFilm(path: string): Promise<void> {
  const rate = `${FILM_MBPS}M`;
  await runForeign('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', `testsrc2=s=1920x1080:r=${FILM_FPS}:d=${FILM_SEC}`],
    ...['-vf', 'noise=alls=30:allf=t:all_seed=1,format=yuv420p', '-c:v', 'libx264', '-preset', 'ultrafast'],
    ...['-g', '15', '-keyint_min', '15', '-sc_threshold', '0', '-bf', '0', '-x264-params', 'nal-hrd=cbr'],
    ...['-b:v', rate, '-minrate', rate, '-maxrate', rate, '-bufsize', rate, path],
  ]);
}

/** The same pictures over and over, not encoded again, as the fragmented MP4 that a recorder writes. */
export async function makeLongFilm(film: string, path: string, seconds: number): Promise<void> {
  const loops = Math.ceil(seconds / FILM_SEC) - 1;
  await runForeign('ffmpeg', [
    ...['-v', 'error', '-stream_loop', String(loops), '-i', film, '-c', 'copy', ...FRAGMENTED, path],
  ]);
}

/** Muxer arguments of the recorder (services/recorder/pipeline.ts). */
export const FRAGMENTED = [
  ...['-movflags', '+empty_moov+default_base_moof+frag_keyframe', '-frag_duration', '200000'],
  ...['-flush_packets', '1'],
];
