import t from 'tap';
import { CLOCK_PATTERN, clockPatternRow, readClockPattern } from '#domain/clock-pattern/clock-pattern.ts';

const { widthPx, heightPx, blockPx, blocks } = CLOCK_PATTERN;
const MARCH_US = 1_710_511_200_000_000;

/** A picture that shows `epochUs` at its top left, `strideBytes` wide, the rest filled. */
function picture(epochUs: number, strideBytes: number = widthPx, fill = 99): Uint8Array {
  const luma = new Uint8Array(strideBytes * (heightPx + 8)).fill(fill);
  const row = clockPatternRow(epochUs);
  for (let y = 0; y < heightPx; y++) luma.set(row, y * strideBytes);
  return luma;
}

t.test('every time is read back', async (t) => {
  const values = [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER, MARCH_US];
  // A whole second in uneven steps, so that every low bit changes in every combination.
  for (let us = MARCH_US; us < MARCH_US + 1_000_000; us += 997) values.push(us);
  const wrong = values.filter((us) => readClockPattern(picture(us), widthPx) !== us);
  t.same(wrong, []);
  t.equal(readClockPattern(picture(MARCH_US, 3840), 3840), MARCH_US, 'from a wider picture too');
});

t.test('the pattern is the one that is documented', async (t) => {
  const row = clockPatternRow(1);
  t.equal(row.length, blocks * blockPx);
  const bits = Array.from({ length: blocks }, (_, bit) => row[bit * blockPx + 8] ?? 0);
  t.same([...new Set(row)].sort(), [16, 235].sort(), 'black and white of the video range');
  t.equal(
    bits
      .slice(0, 64)
      .map((luma) => (luma > 128 ? '1' : '0'))
      .join(''),
    `${'0'.repeat(63)}1`,
  );
  // CRC-16/CCITT-FALSE, here computed bit by bit from the polynomial, on another way than the product does.
  const message = [...'0'.repeat(63), '1', ...'0'.repeat(16)].map(Number);
  for (let n = 0; n < 16; n++) message[n] = (message[n] ?? 0) ^ 1;
  for (let n = 0; n < 64; n++)
    if (message[n]) for (const tap of [0, 4, 11, 16]) message[n + tap] = (message[n + tap] ?? 0) ^ 1;
  t.equal(
    bits
      .slice(64)
      .map((luma) => (luma > 128 ? '1' : '0'))
      .join(''),
    message.slice(64).join(''),
  );
});

t.test('damage is noticed', async (t) => {
  const intact = picture(MARCH_US + 123_456);
  const passed: string[] = [];
  const paint = (luma: Uint8Array, block: number): void => {
    for (let y = 0; y < heightPx; y++) {
      const at = y * widthPx + block * blockPx;
      luma.fill((luma[at] ?? 0) > 128 ? 16 : 235, at, at + blockPx);
    }
  };
  for (let first = 0; first < blocks; first++) {
    const one = intact.slice();
    paint(one, first);
    if (readClockPattern(one, widthPx) !== undefined) passed.push(`${first}`);
    for (let second = first + 1; second < blocks; second++) {
      const two = one.slice();
      paint(two, second);
      if (readClockPattern(two, widthPx) !== undefined) passed.push(`${first}, ${second}`);
    }
  }
  t.same(passed, [], 'one or two blocks turned over, anywhere');
  for (let length = 3; length <= 16; length++) {
    const burst = intact.slice();
    for (let n = 0; n < length; n++) paint(burst, 30 + n);
    t.equal(readClockPattern(burst, widthPx), undefined, `${length} blocks in a row`);
  }
});

t.test('where there is no clock, none is read', async (t) => {
  for (const luma of [0, 16, 128, 235, 255])
    t.equal(
      readClockPattern(new Uint8Array(widthPx * heightPx).fill(luma), widthPx),
      undefined,
      `all ${luma}`,
    );
  t.equal(readClockPattern(new Uint8Array(0), widthPx), undefined, 'no picture');
  const shifted = picture(MARCH_US).subarray(blockPx);
  t.equal(readClockPattern(shifted, widthPx), undefined, 'one block to the left');
});

t.test('soft edges and pale contrast are read', async (t) => {
  const luma = picture(MARCH_US + 42);
  const blurred = luma.slice();
  for (let n = 3; n < luma.length - 3; n++) {
    let sum = 0;
    for (let near = -3; near <= 3; near++) sum += luma[n + near] ?? 0;
    blurred[n] = 60 + (sum / 7) * 0.5;
  }
  t.equal(readClockPattern(blurred, widthPx), MARCH_US + 42);
});
