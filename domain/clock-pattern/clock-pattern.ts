/**
 * The clock that the test pattern burns into each frame: 80 blocks of 16 x 16 pixels in one row at the top left, white
 * for 1 and black for 0, most significant bit first: 64 bits of microseconds since 1970, then a CRC-16 of those eight bytes
 * (CCITT: polynomial 0x1021, start 0xFFFF).
 */
export const CLOCK_PATTERN = { blocks: 80, blockPx: 16, widthPx: 1280, heightPx: 16 } as const;

const BLACK = 16;
const WHITE = 235;

/** Eight bytes of time and two of check. `epochUs` is an integer below 2^53. */
function payload(epochUs: number): Uint8Array {
  const bytes = new Uint8Array(10);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(epochUs));
  view.setUint16(8, crc16(bytes.subarray(0, 8)));
  return bytes;
}

/** Luma of one pixel row (1280 values) that shows `epochUs`, in video range. */
export function clockPatternRow(epochUs: number): Uint8Array {
  const bytes = payload(epochUs);
  const row = new Uint8Array(CLOCK_PATTERN.widthPx).fill(BLACK);
  for (let bit = 0; bit < CLOCK_PATTERN.blocks; bit++) {
    if (((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1)
      row.fill(WHITE, bit * CLOCK_PATTERN.blockPx, (bit + 1) * CLOCK_PATTERN.blockPx);
  }
  return row;
}

/**
 * Reads the clock from the top left of a picture: `luma` has `strideBytes` per row and at least 16 rows of 1280 pixels.
 * Each block is judged by the mean of its inner 8 x 8 pixels. Undefined when the check does not fit: no clock there, or damaged.
 */
export function readClockPattern(luma: Uint8Array, strideBytes: number): number | undefined {
  const bytes = new Uint8Array(10);
  for (let bit = 0; bit < CLOCK_PATTERN.blocks; bit++) {
    let sum = 0;
    for (let y = 4; y < 12; y++)
      for (let x = 4; x < 12; x++) sum += luma[y * strideBytes + bit * CLOCK_PATTERN.blockPx + x] ?? 0;
    if (sum > 64 * ((BLACK + WHITE) / 2)) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) | (1 << (7 - (bit & 7)));
  }
  const view = new DataView(bytes.buffer);
  if (view.getUint16(8) !== crc16(bytes.subarray(0, 8))) return undefined;
  return Number(view.getBigUint64(0));
}

function crc16(bytes: Uint8Array): number {
  let crc = 0xffff;
  for (const byte of bytes) {
    crc ^= byte << 8;
    for (let bit = 0; bit < 8; bit++)
      crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : (crc << 1) & 0xffff;
  }
  return crc;
}
