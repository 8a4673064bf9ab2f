/** Rig time by one source at one instant, and how wrong it may be, microseconds. */
export interface RigTimeReading {
  readonly masterUs: number;
  readonly boundUs: number;
}

export interface Comparison {
  /** First minus second, milliseconds. */
  readonly disagreementMs: number;
  /** Above what is normal between two good sources. */
  readonly warns: boolean;
  /** Further apart than both bounds together: one of the two bounds is wrong. */
  readonly impossible: boolean;
}

/** N21: chrony and the exchange should not differ by more. */
export const DISAGREEMENT_WARNING_MS = 2;

/** Compares two readings of the same instant, such as chrony's and that of the exchange. */
export function compareReadings(a: RigTimeReading, b: RigTimeReading): Comparison {
  const apartUs = a.masterUs - b.masterUs;
  return {
    disagreementMs: apartUs / 1000,
    warns: Math.abs(apartUs) > DISAGREEMENT_WARNING_MS * 1000,
    impossible: Math.abs(apartUs) > a.boundUs + b.boundUs,
  };
}
