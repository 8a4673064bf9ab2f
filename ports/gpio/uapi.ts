/**
 * The GPIO character device, version 2: structs and requests of <linux/gpio.h>, laid out by hand. All numbers are little-endian, as on
 * every machine that this runs on.
 */

const NAME_BYTES = 32;
const LINES_MAX = 64;
const ATTRIBUTES_MAX = 10;

export const CHIP_INFO_BYTES = NAME_BYTES + NAME_BYTES + 4;
export const LINE_INFO_BYTES = NAME_BYTES + NAME_BYTES + 4 + 4 + 8 + ATTRIBUTES_MAX * 16 + 4 * 4;
const CONFIG_BYTES = 8 + 4 + 5 * 4 + ATTRIBUTES_MAX * 24;
export const LINE_REQUEST_BYTES = LINES_MAX * 4 + NAME_BYTES + CONFIG_BYTES + 4 + 4 + 5 * 4 + 4;
export const LINE_VALUES_BYTES = 8 + 8;
export const LINE_EVENT_BYTES = 8 + 4 * 4 + 6 * 4;

/** `_IOR` and `_IOWR` of <asm-generic/ioctl.h>; the type of GPIO is 0xB4. */
const READ = 2;
const WRITE = 1;
const request = (direction: number, number: number, bytes: number): number =>
  // The shift by 30 would be negative as a 32-bit operation.
  direction * 2 ** 30 + bytes * 2 ** 16 + 0xb4 * 2 ** 8 + number;

export const GET_CHIP_INFO = request(READ, 0x01, CHIP_INFO_BYTES);
export const GET_LINE_INFO = request(READ | WRITE, 0x05, LINE_INFO_BYTES);
export const GET_LINE = request(READ | WRITE, 0x07, LINE_REQUEST_BYTES);
export const GET_VALUES = request(READ | WRITE, 0x0e, LINE_VALUES_BYTES);
export const SET_VALUES = request(READ | WRITE, 0x0f, LINE_VALUES_BYTES);

/** `enum gpio_v2_line_flag`. */
export const FLAGS = {
  used: 1n << 0n,
  activeLow: 1n << 1n,
  input: 1n << 2n,
  output: 1n << 3n,
  edgeRising: 1n << 4n,
  edgeFalling: 1n << 5n,
  biasPullUp: 1n << 8n,
  biasPullDown: 1n << 9n,
} as const;

const RISING = 1;

export function readChipInfo(bytes: Buffer): { label: string; lines: number } {
  return { label: text(bytes, NAME_BYTES), lines: bytes.readUInt32LE(2 * NAME_BYTES) };
}

export function lineInfoOf(offset: number): Buffer {
  const bytes = Buffer.alloc(LINE_INFO_BYTES);
  bytes.writeUInt32LE(offset, 2 * NAME_BYTES);
  return bytes;
}

export function readLineInfo(bytes: Buffer): { name: string; consumer: string; used: boolean } {
  return {
    name: text(bytes, 0),
    consumer: text(bytes, NAME_BYTES),
    used: (bytes.readBigUInt64LE(2 * NAME_BYTES + 8) & FLAGS.used) !== 0n,
  };
}

/** `gpio_v2_line_request` without attributes: outputs begin inactive. */
export function lineRequest(offsets: readonly number[], consumer: string, flags: bigint): Buffer {
  const bytes = Buffer.alloc(LINE_REQUEST_BYTES);
  for (const [index, offset] of offsets.entries()) bytes.writeUInt32LE(offset, 4 * index);
  bytes.write(consumer.slice(0, NAME_BYTES - 1), 4 * LINES_MAX, 'latin1');
  const configAt = 4 * LINES_MAX + NAME_BYTES;
  bytes.writeBigUInt64LE(flags, configAt);
  bytes.writeUInt32LE(offsets.length, configAt + CONFIG_BYTES);
  return bytes;
}

/** The descriptor that the kernel put into a request. */
export const descriptorOf = (request: Buffer): number => request.readInt32LE(LINE_REQUEST_BYTES - 4);

/** `gpio_v2_line_values`: a bit for each line of the request, in its order. */
export function lineValues(values: readonly boolean[]): Buffer {
  const bytes = Buffer.alloc(LINE_VALUES_BYTES);
  const bits = values.reduce((sum, value, index) => (value ? sum | (1n << BigInt(index)) : sum), 0n);
  bytes.writeBigUInt64LE(bits, 0);
  bytes.writeBigUInt64LE((1n << BigInt(values.length)) - 1n, 8);
  return bytes;
}

export function readValues(bytes: Buffer, count: number): boolean[] {
  const bits = bytes.readBigUInt64LE(0);
  return Array.from({ length: count }, (_, index) => (bits & (1n << BigInt(index))) !== 0n);
}

/** `gpio_v2_line_event`s. A rising edge is one to active. Times are of the monotonic clock, which is what a request without a flag asks for. */
export function readEvents(bytes: Buffer): { offset: number; active: boolean; atUs: number }[] {
  return Array.from({ length: Math.floor(bytes.length / LINE_EVENT_BYTES) }, (_, index) => {
    const at = index * LINE_EVENT_BYTES;
    return {
      atUs: Number(bytes.readBigUInt64LE(at) / 1000n),
      active: bytes.readUInt32LE(at + 8) === RISING,
      offset: bytes.readUInt32LE(at + 12),
    };
  });
}

function text(bytes: Buffer, at: number): string {
  const field = bytes.subarray(at, at + NAME_BYTES);
  const end = field.indexOf(0);
  return field.toString('latin1', 0, end < 0 ? NAME_BYTES : end);
}
