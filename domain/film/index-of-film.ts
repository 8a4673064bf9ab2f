/** What the packets of a film tell without decoding it. */
export interface FilmIndex {
  /** ffmpeg's names. */
  readonly codec: string;
  readonly pixelFormat: string;
  readonly width: number;
  readonly height: number;
  /** When each frame is shown, microseconds after the first, in the order of showing. */
  readonly shownUs: readonly number[];
  /** From the first frame to the end of the last, microseconds. */
  readonly durationUs: number;
  /** The longest time from a key frame to the last frame that needs it, microseconds. */
  readonly longestGroupUs: number;
  /** Frames that are shown before the key frame they follow, or that an edit list hides, stop a player that begins there. */
  readonly openGroups: boolean;
  readonly hiddenFrames: number;
}

/** Frames per second between frames that follow each other, gaps left out: the median. 0 when there is one frame. */
export function frameRate({ shownUs }: Pick<FilmIndex, 'shownUs'>): number {
  const steps = shownUs.slice(1).map((us, n) => us - (shownUs[n] ?? 0));
  steps.sort((a, b) => a - b);
  const median = steps[Math.floor(steps.length / 2)] ?? 0;
  // Time stamps are rounded to microseconds, and to the clock of the file: 33333 and 33334 are both 30.
  return median > 0 ? Math.round(1e8 / median) / 100 : 0;
}

/** When the frame in the middle is shown, microseconds after the first. */
export function middleUs({ shownUs }: Pick<FilmIndex, 'shownUs'>): number {
  return shownUs[Math.floor(shownUs.length / 2)] ?? 0;
}

/** Reads `ffprobe -of compact=p=0`, packets and stream. Throws `RangeError` for a film without frames or times. */
export function indexReader(): { line(text: string): void; end(): FilmIndex } {
  const shown: number[] = [];
  let lastUs = Number.NEGATIVE_INFINITY;
  let lastDurationUs = 0;
  let keyUs: number | undefined;
  let longestGroupUs = 0;
  let openGroups = false;
  let hiddenFrames = 0;
  let stream: Readonly<Record<string, string>> = {};

  const packet = (ptsUs: number, durationUs: number, flags: string): void => {
    if (flags.includes('D')) {
      hiddenFrames += 1;
      return;
    }
    shown.push(ptsUs);
    if (ptsUs > lastUs) {
      lastUs = ptsUs;
      lastDurationUs = durationUs;
    }
    if (flags.startsWith('K')) keyUs = ptsUs;
    if (keyUs === undefined || ptsUs < keyUs) openGroups = true;
    else longestGroupUs = Math.max(longestGroupUs, ptsUs - keyUs);
  };

  return {
    line(text) {
      const fields = Object.fromEntries(
        text.split('|').map((field) => {
          const equals = field.indexOf('=');
          return [field.slice(0, equals), field.slice(equals + 1)];
        }),
      );
      if ('codec_name' in fields) stream = fields;
      if (!('pts_time' in fields)) return;
      const ptsUs = Math.round(Number(fields.pts_time) * 1e6);
      if (Number.isNaN(ptsUs)) throw new RangeError('a frame of the film has no time');
      const durationUs = Math.round(Number(fields.duration_time) * 1e6);
      packet(ptsUs, Number.isNaN(durationUs) ? 0 : durationUs, fields.flags ?? '');
    },
    end() {
      if (shown.length === 0) throw new RangeError('the film has no frames');
      shown.sort((a, b) => a - b);
      const first = shown[0] ?? 0;
      return {
        codec: stream.codec_name ?? 'unknown',
        pixelFormat: stream.pix_fmt ?? 'unknown',
        width: Number(stream.width),
        height: Number(stream.height),
        shownUs: shown.map((us) => us - first),
        durationUs: lastUs + lastDurationUs - first,
        longestGroupUs,
        openGroups,
        hiddenFrames,
      };
    },
  };
}
