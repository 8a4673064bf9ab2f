/** One measurement for chronyd's SOCK driver: the wall clock at an instant, and how much true time is ahead of it. Microseconds. */
export interface ClockSample {
  readonly wallUs: number;
  readonly aheadUs: number;
}

export const SOCK_SAMPLE_BYTES = 40;
/** `SOCK` in ASCII. */
const MAGIC = 0x534f434b;

/** `struct sock_sample` of chrony's refclock_sock.c on 64-bit Linux, little-endian. */
export function sockSample({ wallUs, aheadUs }: ClockSample): Uint8Array {
  const bytes = new Uint8Array(SOCK_SAMPLE_BYTES);
  const view = new DataView(bytes.buffer);
  const seconds = Math.floor(wallUs / 1e6);
  view.setBigInt64(0, BigInt(seconds), true);
  view.setBigInt64(8, BigInt(Math.round(wallUs - seconds * 1e6)), true);
  view.setFloat64(16, aheadUs / 1e6, true);
  // 24: pulse, 28: leap, 32: padding; all of them 0.
  view.setInt32(36, MAGIC, true);
  return bytes;
}
