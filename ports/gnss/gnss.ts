/** A GNSS receiver that speaks NMEA. */
export interface GnssReceiver {
  /**
   * Listens from now on. `onLine` gets every line with the monotonic time at which its beginning was there. Throws `gnss_failed` when there is no such
   * device, `program_missing`.
   */
  open(onLine: (line: string, atMonoUs: number) => void): Promise<OpenReceiver>;
}

export interface OpenReceiver {
  /** Resolves with the reason when it ended by itself, `undefined` when it was closed. */
  readonly ended: Promise<string | undefined>;
  close(): Promise<void>;
}

/** Puts what arrives in pieces together to lines, each with the time of its first piece. */
export function lineReader(onLine: (line: string, atMonoUs: number) => void) {
  let rest = '';
  let restMonoUs = 0;
  return (piece: string, atMonoUs: number): void => {
    const lines = (rest + piece).split(/\r?\n/);
    let beganUs = rest === '' ? atMonoUs : restMonoUs;
    rest = (lines.pop() ?? '').slice(-LONGEST_LINE);
    for (const line of lines) {
      if (line !== '') onLine(line, beganUs);
      beganUs = atMonoUs;
    }
    restMonoUs = beganUs;
  };
}

/** NMEA 0183 allows 82. */
const LONGEST_LINE = 200;
