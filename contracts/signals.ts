import { z } from 'zod';
import { serviceState } from './service-state.ts';
import { WireTime } from './time.ts';

/** Button, status LED and beeper: what can be set, and what they show. */

/** What the LED can show; `domain/signals` says how each looks and which wins. */
export const LedPattern = z
  .enum([
    'off',
    'ready',
    'access-point',
    'armed',
    'preparing',
    'recording',
    'warning',
    'recording-warning',
    'updating',
    'fault',
  ])
  .describe('What the LED shows');
export type LedPattern = z.infer<typeof LedPattern>;

export const ToneName = z.enum(['start', 'stop', 'lock-view', 'warning', 'fault']).describe('A tone');
export type ToneName = z.infer<typeof ToneName>;

const line = (name: string, what: string) =>
  z
    .string()
    .regex(
      /^([A-Za-z0-9_.-]{1,64}|[A-Za-z0-9_.-]{1,32}:\d{1,3})$/,
      'must be the name of a line, or the label of its chip and its number: pinctrl-rp1:17',
    )
    .default(name)
    .describe(`Line of the ${what}: its name, or chip label and number`);

export const SignalsConfig = z
  .strictObject({
    panel: z
      .enum(['none', 'gpio'])
      .default('none')
      .describe('`gpio`: button and LED on the GPIO character device; `none`: this node has none'),
    lines: z
      .strictObject({
        button: line('touchline-button', 'button'),
        red: line('touchline-led-red', 'red part of the LED'),
        green: line('touchline-led-green', 'green part of the LED'),
        blue: line('touchline-led-blue', 'blue part of the LED'),
        beeper: line('touchline-beeper', 'beeper'),
      })
      .prefault({}),
    button_active_low: z.boolean().default(true).describe('Pressed is low, as with a button to ground'),
    led_active_low: z.boolean().default(false).describe('A part of the LED is lit when its line is low'),
    beeper: z
      .enum(['none', 'gpio', 'pwm', 'alsa'])
      .default('none')
      .describe(
        '`gpio`: a beeper with a tone of its own; `pwm`: one that gets its tone; `alsa`: a sound card',
      ),
    pwm: z
      .strictObject({
        chip: z
          .string()
          .regex(/^[A-Za-z0-9_.:-]{1,64}$/)
          .default('1f00098000.pwm')
          .describe('Device of the PWM'),
        channel: z.int().min(0).max(7).default(2).describe('Its channel'),
      })
      .prefault({}),
    alsa_device: z.string().min(1).default('default').describe('ALSA playback device of the tones'),
    muted: z.boolean().default(false).describe('No tones but those of start and stop'),
    repeat_warning_sec: z
      .int()
      .min(0)
      .max(3600)
      .default(0)
      .describe('A warning sounds again after this; 0: once. Never while a recording has sound'),
  })
  .describe('Button, status LED and beeper');
export type SignalsConfig = z.infer<typeof SignalsConfig>;

export const SignalsState = z
  .object({
    ...serviceState,
    panel: z
      .object({
        state: z.enum(['none', 'working', 'failed']),
        reason: z.string().nullable().describe('Why it does not work'),
      })
      .describe('Button and LED'),
    beeper: z.object({
      state: z.enum(['none', 'working', 'failed']),
      reason: z.string().nullable(),
      sounded: z
        .boolean()
        .default(false)
        .describe('Whether the last tone was played to its end; before, that it works is not known'),
    }),
    shows: LedPattern,
    because: z.string().describe('Why it shows that, in words'),
    pressed: z.boolean().describe('Whether the button is held'),
    muted: z.boolean(),
    last_tone: z.object({ tone: ToneName, at: WireTime }).nullable(),
  })
  .describe('State of signals');
export type SignalsState = z.infer<typeof SignalsState>;
