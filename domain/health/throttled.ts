import type { ThrottleReason } from '#contracts/health.ts';

/** What the firmware of a Raspberry Pi says of power and heat. */
export interface Throttled {
  readonly now: ThrottleReason[];
  readonly since_boot: ThrottleReason[];
}

/** Raspberry Pi documentation, `vcgencmd get_throttled`: bits 0 to 3 are now, bits 16 to 19 since the start of the kernel. */
const BITS: readonly ThrottleReason[] = [
  'under-voltage',
  'frequency-capped',
  'throttled',
  'soft-temperature-limit',
];
const SINCE_BOOT_SHIFT = 16;

/** The flags of the register, which sysfs prints in hexadecimal without prefix; undefined when it is none. */
export function parseThrottled(text: string): Throttled | undefined {
  const [, digits] = /^(?:0x)?([0-9a-fA-F]{1,8})$/.exec(text.trim()) ?? [];
  if (digits === undefined) return undefined;
  const register = Number.parseInt(digits, 16);
  const set = (shift: number): ThrottleReason[] =>
    BITS.filter((_, bit) => ((register >>> (bit + shift)) & 1) === 1);
  return { now: set(0), since_boot: set(SINCE_BOOT_SHIFT) };
}

/** For the table of levels: 2 short of power or held down, 1 slower than it could be, 0 neither. */
export function throttlingSeverity({ now }: Throttled): number {
  if (now.includes('under-voltage') || now.includes('throttled')) return 2;
  return now.length > 0 ? 1 : 0;
}
