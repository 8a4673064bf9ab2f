import { BAND, bandPassed, effectiveHz, likenessOf, type Samples } from './correlation.ts';

/**
 * The start beep: a tone that rises from 1 to 3 kHz in 0.3 s, evenly, with soft ends. Small loudspeakers are loudest there and ears most
 * sensitive, and wind and crowds are weaker. A rising tone is like itself at one place only: its correlation has one peak, half
 * a millisecond wide, where a steady tone has one per period.
 */
export const BEEP = { fromHz: 1000, toHz: 3000, seconds: 0.3, edgeSec: 0.01, level: 0.8 } as const;

/** The beep as samples between -1 and 1. */
export function beepSamples(rateHz: number): Float32Array {
  const { fromHz, toHz, seconds, edgeSec, level } = BEEP;
  return Float32Array.from({ length: Math.round(seconds * rateHz) }, (_, n) => {
    const sec = n / rateHz;
    const edge = Math.min(1, sec / edgeSec, (seconds - sec) / edgeSec);
    const phase = 2 * Math.PI * (fromHz * sec + ((toHz - fromHz) * sec * sec) / (2 * seconds));
    return level * 0.5 * (1 - Math.cos(Math.PI * edge)) * Math.sin(phase);
  });
}

/** Where a sound was found, or why not. Times in microseconds from the first sample. */
export type Sighting =
  | {
      readonly found: true;
      readonly atUs: number;
      /** 95 % of such findings are within this of the truth. What echoes and distance do is not in it. */
      readonly uncertaintyUs: number;
      /** From 0 to 1: how much of the sound at that place is what was looked for. */
      readonly likeness: number;
      readonly peakToNoise: number;
    }
  | { readonly found: false; readonly reason: string };

/**
 * Noise in the band is like a beep to 0.03 by chance (0.3 s of 2.3 kHz are 1380 independent values), so this is seven times what chance gives;
 * a beep that is 14 dB weaker than the noise of the band reaches it.
 */
const LIKENESS_MIN = 0.2;
const PEAK_MIN = 6;
const SHORTEST_SEC = BEEP.seconds + 0.1;
/** Both sides of a normal distribution: 95 % are within. */
const SIGMAS = 1.96;

/** Looks for the beep in a track, or a stretch of one. `rateHz` at least 8000. */
export function findBeep(samples: Samples, rateHz: number): Sighting {
  return findSound(samples, beepSamples(rateHz), rateHz, 'the beep');
}

/** Looks for what another microphone heard (`pattern`), whatever it was: a whistle, the crowd. `atUs` is where its first sample lies. */
export function findSame(samples: Samples, pattern: Samples, rateHz: number): Sighting {
  return findSound(samples, pattern, rateHz, 'the sound of the other track');
}

function findSound(samples: Samples, pattern: Samples, rateHz: number, what: string): Sighting {
  const none = (reason: string): Sighting => ({ found: false, reason });
  if (samples.length < SHORTEST_SEC * rateHz || samples.length < pattern.length)
    return none(`${(samples.length / rateHz).toFixed(1)} s of sound are too short to look for ${what}`);
  if (rateHz < 2.5 * BAND.toHz) return none(`${rateHz} samples a second do not carry ${BAND.toHz} Hz`);
  const wanted = bandPassed(pattern, rateHz);
  const found = likenessOf(bandPassed(samples, rateHz), wanted, rateHz);
  if (found === undefined) return none(`there is no sound between ${BAND.fromHz} and ${BAND.toHz} Hz`);
  const { at, likeness, peakToNoise, rival } = found;
  if (likeness < LIKENESS_MIN || peakToNoise < PEAK_MIN)
    return none(
      `nothing is like ${what}: at best ${likeness.toFixed(2)} (${LIKENESS_MIN} is needed), ${peakToNoise.toFixed(1)} times the noise`,
    );
  if (rival !== undefined) return none(`${what} fits twice, ${Math.abs(rival / rateHz).toFixed(3)} s apart`);
  // Standard deviation of the time of a peak: 1 / (2 π · effective frequency · peak over noise) (Woodward; Kay, Estimation Theory, 3.11).
  const sigmaSec = 1 / (2 * Math.PI * effectiveHz(wanted, rateHz) * peakToNoise);
  return {
    found: true,
    atUs: (at / rateHz) * 1e6,
    uncertaintyUs: SIGMAS * sigmaSec * 1e6,
    likeness,
    peakToNoise,
  };
}
