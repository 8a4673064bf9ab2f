import { setTimeout as sleep } from 'node:timers/promises';
import { isHigh, isThere, pull } from './chips.ts';

/** The panel of a node in a guest, as a hand and an eye: the kernel's simulator tells what a line is, and pulls one. */

/** The chip that the panel is on. */
export const PANEL_CHIP = 'pinctrl-lab';
/** Numbers of overlays/pins.yml. */
const LINES = { button: 17, beeper: 18, red: 22, green: 23, blue: 24 } as const;
const LOOK_MS = 25;
/** Longer than any look takes to show all it has. */
const WINDOW_MS = 2100;
/** A steady look is believed after this. */
const STEADY_MS = 1300;
const BOUNCES = 4;

const lit = (line: keyof typeof LINES): boolean => isHigh(PANEL_CHIP, LINES[line]);

export type Seen =
  | 'dark'
  | 'green'
  | 'blue'
  | 'red'
  | 'green blinking'
  | 'amber blinking'
  | 'red and amber'
  | 'red blinking fast'
  | 'white blinking'
  | 'green winking red';

const NAMES: Readonly<Record<string, Seen>> = {
  dark: 'dark',
  green: 'green',
  blue: 'blue',
  red: 'red',
  'dark green': 'green blinking',
  'amber dark': 'amber blinking',
  'amber red': 'red and amber',
  'dark red': 'red blinking fast',
  'dark white': 'white blinking',
  'green red': 'green winking red',
};
const COLOURS: Readonly<Record<string, string>> = {
  '000': 'dark',
  '100': 'red',
  '010': 'green',
  '001': 'blue',
  '110': 'amber',
  '111': 'white',
};

/** A stretch in which the LED had one colour. */
interface Stretch {
  readonly colour: string;
  readonly fromMs: number;
}

export interface Beep {
  readonly fromMs: number;
  untilMs: number;
}

/** Looks at LED and beeper all the time. */
export function watchPanel() {
  const stretches: Stretch[] = [];
  const beeps: Beep[] = [];
  const colours = new Set<string>();
  let beeping = false;
  const look = (): void => {
    if (!isThere(PANEL_CHIP)) return;
    const nowMs = performance.now();
    const bits = (['red', 'green', 'blue'] as const).map((line) => (lit(line) ? '1' : '0')).join('');
    const colour = COLOURS[bits] ?? bits;
    colours.add(colour);
    if (stretches.at(-1)?.colour !== colour) stretches.push({ colour, fromMs: nowMs });
    const on = lit('beeper');
    if (on && !beeping) beeps.push({ fromMs: nowMs, untilMs: nowMs });
    const last = beeps.at(-1);
    if (on && last) last.untilMs = nowMs;
    beeping = on;
  };
  look();
  const timer = setInterval(look, LOOK_MS);
  /** What is seen now; undefined while it cannot be told yet. */
  const seen = (): Seen | undefined => {
    const nowMs = performance.now();
    const last = stretches.at(-1);
    if (last === undefined) return undefined;
    if (nowMs - last.fromMs > STEADY_MS) {
      // The wink of an armed camera comes every two seconds.
      if (last.colour !== 'green' || nowMs - last.fromMs > WINDOW_MS) return NAMES[last.colour];
      return undefined;
    }
    const since = (ms: number): Stretch[] =>
      stretches.filter((_, index) => (stretches[index + 1]?.fromMs ?? nowMs) > nowMs - ms);
    // The last colours only, so that what was shown before is not mixed with what is shown now.
    const recent = since(WINDOW_MS).slice(-4);
    if (recent.length < 4) return undefined;
    return NAMES[[...new Set(recent.map(({ colour }) => colour))].sort().join(' ')];
  };
  return {
    seen,
    /** Colours since the last call of `forget`. */
    colours: colours as ReadonlySet<string>,
    forget: () => colours.clear(),
    beeps: beeps as readonly Beep[],
    stop: () => clearInterval(timer),
  };
}

/** Contacts that bounce: a few edges within milliseconds, then the level. */
function bounceTo(high: boolean): void {
  for (let count = 0; count < BOUNCES; count++) {
    pull(PANEL_CHIP, LINES.button, high);
    pull(PANEL_CHIP, LINES.button, !high);
  }
  pull(PANEL_CHIP, LINES.button, high);
}

export const buttonDown = (): void => bounceTo(false);
export const buttonUp = (): void => bounceTo(true);

export async function pressFor(ms: number): Promise<void> {
  buttonDown();
  await sleep(ms);
  buttonUp();
}
