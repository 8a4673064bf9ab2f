/**
 * When samples were captured, from when they arrived. A busy machine makes them late, never early: the earliest arrivals tell the truth.
 */
export interface ArrivalClock {
  /** `samples` more arrived at `atUs` (monotonic). Returns when the last of them was captured, as far as is known. */
  arrived(samples: number, atUs: number): number;
}

/** What is looked at together: long enough to hold a prompt arrival, short enough for the crystal of a sound card to drift little. */
const WINDOW_US = 4_000_000;
/** Arrivals closer together than this count as one. */
const SLOT_US = 50_000;

export function arrivalClock(samplesPerSec: number): ArrivalClock {
  let count = 0;
  /** By how much each slot's earliest arrival is behind a card that began at zero. */
  let slots: { slot: number; behindUs: number }[] = [];
  return {
    arrived(samples, atUs) {
      count += samples;
      const playedUs = (count * 1e6) / samplesPerSec;
      const behindUs = atUs - playedUs;
      const slot = Math.floor(atUs / SLOT_US);
      const last = slots.at(-1);
      if (last?.slot === slot) last.behindUs = Math.min(last.behindUs, behindUs);
      else slots = [...slots, { slot, behindUs }].filter((one) => one.slot > slot - WINDOW_US / SLOT_US);
      return playedUs + Math.min(...slots.map((one) => one.behindUs));
    },
  };
}
