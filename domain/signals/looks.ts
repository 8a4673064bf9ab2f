import type { LedPattern } from '#contracts/signals.ts';

/** What the LED can show, as a table: nothing else decides how a state looks. */

/** The three parts of the LED are on or off. */
export interface Colour {
  readonly red: boolean;
  readonly green: boolean;
  readonly blue: boolean;
}

export type ColourName = 'dark' | 'red' | 'green' | 'blue' | 'amber' | 'white';

export const COLOURS: Readonly<Record<ColourName, Colour>> = {
  dark: { red: false, green: false, blue: false },
  red: { red: true, green: false, blue: false },
  green: { red: false, green: true, blue: false },
  blue: { red: false, green: false, blue: true },
  amber: { red: true, green: true, blue: false },
  white: { red: true, green: true, blue: true },
};

/** One step stays for `ms`; a look of one step is steady. */
export interface Step {
  readonly colour: ColourName;
  readonly ms: number;
}

export interface Look {
  readonly steps: readonly Step[];
  /** For people. */
  readonly words: string;
  readonly means: string;
}

const steady = (colour: ColourName): readonly Step[] => [{ colour, ms: 0 }];

export const LOOKS: Readonly<Record<LedPattern, Look>> = {
  off: { steps: steady('dark'), words: 'dark', means: 'No power, or the camera has been shut down' },
  ready: { steps: steady('green'), words: 'green', means: 'Ready: a press starts all cameras' },
  'access-point': {
    steps: steady('blue'),
    words: 'blue',
    means: 'Ready, and this camera is the network of the others and of the phones',
  },
  armed: {
    steps: [
      { colour: 'green', ms: 1800 },
      { colour: 'red', ms: 200 },
    ],
    words: 'green with a short red wink',
    means: 'Armed: the last seconds are kept; a press starts and has them',
  },
  preparing: {
    steps: [
      { colour: 'green', ms: 300 },
      { colour: 'dark', ms: 300 },
    ],
    words: 'green, blinking',
    means: 'Busy for a moment: starting up, starting, or finishing the files',
  },
  recording: { steps: steady('red'), words: 'red', means: 'Recording' },
  warning: {
    steps: [
      { colour: 'amber', ms: 500 },
      { colour: 'dark', ms: 500 },
    ],
    words: 'amber, blinking',
    means: 'Not as it should be: look at the page; a second press within 10 seconds records all the same',
  },
  // A warning must never look as if nothing were recorded.
  'recording-warning': {
    steps: [
      { colour: 'red', ms: 1000 },
      { colour: 'amber', ms: 500 },
    ],
    words: 'red and amber in turn',
    means: 'Recording, and something is not as it should be',
  },
  updating: {
    steps: [
      { colour: 'white', ms: 900 },
      { colour: 'dark', ms: 900 },
    ],
    words: 'white, slowly on and off',
    means: 'Being updated: leave the power on',
  },
  fault: {
    steps: [
      { colour: 'red', ms: 120 },
      { colour: 'dark', ms: 120 },
    ],
    words: 'red, blinking fast',
    means: 'A fault: this camera cannot be relied on; look at the page or call for help',
  },
};

/** Which look wins when several are due, the first one first. */
export const PRIORITY: readonly LedPattern[] = [
  'fault',
  'updating',
  'recording-warning',
  'warning',
  'recording',
  'preparing',
  'armed',
  'access-point',
  'ready',
  'off',
];

/** The one of these that wins. */
export function strongest(due: readonly LedPattern[]): LedPattern {
  return PRIORITY.find((pattern) => due.includes(pattern)) ?? 'off';
}

/** What a look shows so long after it began, and how long still; `leftMs` is undefined for a steady one. */
export function frameAt(
  pattern: LedPattern,
  sinceMs: number,
): { readonly colour: Colour; readonly leftMs: number | undefined } {
  const { steps } = LOOKS[pattern];
  const roundMs = steps.reduce((sum, { ms }) => sum + ms, 0);
  const [first] = steps;
  if (first === undefined) throw new RangeError(`${pattern} has no steps`);
  if (roundMs === 0) return { colour: COLOURS[first.colour], leftMs: undefined };
  let restMs = Math.max(0, sinceMs) % roundMs;
  for (const { colour, ms } of steps) {
    if (restMs < ms) return { colour: COLOURS[colour], leftMs: ms - restMs };
    restMs -= ms;
  }
  return { colour: COLOURS[first.colour], leftMs: first.ms };
}
