/** How much something weighs; every colour that carries a meaning goes with one of these. */
export type Tone = 'calm' | 'recording' | 'warning' | 'fault' | 'unknown';
