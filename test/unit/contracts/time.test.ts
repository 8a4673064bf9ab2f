import t from 'tap';
import { fileStamp, fromWireTime, toWireTime, WireTime } from '#contracts/time.ts';

const MARCH_US = 1_710_511_200_000_000; // 2024-03-15T14:00:00Z

t.test('microseconds survive the wire', async (t) => {
  t.equal(toWireTime(MARCH_US), '2024-03-15T14:00:00.000000Z');
  t.equal(toWireTime(MARCH_US + 123_456), '2024-03-15T14:00:00.123456Z');
  t.equal(toWireTime(MARCH_US + 7), '2024-03-15T14:00:00.000007Z');
  t.equal(toWireTime(0), '1970-01-01T00:00:00.000000Z');
  t.equal(toWireTime(-1), '1969-12-31T23:59:59.999999Z', 'before 1970 too');
  // Steps that are coprime to a thousand visit every digit; the last is close to where doubles lose microseconds.
  for (let us = MARCH_US; us < MARCH_US + 2_000_000; us += 7_919)
    if (fromWireTime(toWireTime(us)) !== us) t.fail(`${us} came back as ${fromWireTime(toWireTime(us))}`);
  const late = Date.UTC(2254, 11, 31, 23, 59, 59, 999) * 1000 + 999;
  t.equal(fromWireTime(toWireTime(late)), late);
});

t.test('fractions of a microsecond round, and carry into the second', async (t) => {
  t.equal(toWireTime(MARCH_US + 0.25), '2024-03-15T14:00:00.000000Z');
  t.equal(toWireTime(MARCH_US + 0.75), '2024-03-15T14:00:00.000001Z');
  t.equal(toWireTime(MARCH_US + 999.75), '2024-03-15T14:00:00.001000Z', 'into the next millisecond');
  t.equal(toWireTime(MARCH_US + 999_999.75), '2024-03-15T14:00:01.000000Z', 'into the next second');
  t.equal(toWireTime(MARCH_US - 0.25), '2024-03-15T14:00:00.000000Z');
});

t.test('reads none to nine decimals and cuts what is below microseconds', async (t) => {
  for (const [text, us] of [
    ['2024-03-15T14:00:00Z', 0],
    ['2024-03-15T14:00:00.1Z', 100_000],
    ['2024-03-15T14:00:00.12Z', 120_000],
    ['2024-03-15T14:00:00.123Z', 123_000],
    ['2024-03-15T14:00:00.123456Z', 123_456],
    ['2024-03-15T14:00:00.123456999Z', 123_456],
    ['2024-03-15T14:00:00.000000999Z', 0],
  ] as const) {
    t.equal(fromWireTime(text) - MARCH_US, us, text);
    t.equal(WireTime.parse(text), text, `${text} passes the schema`);
  }
});

t.test('refuses everything else, in the function and in the schema alike', async (t) => {
  for (const text of [
    '',
    'now',
    '1710511200',
    '2024-03-15',
    '2024-03-15T14:00:00',
    '2024-03-15 14:00:00Z',
    '2024-03-15T14:00:00+01:00',
    '2024-03-15T14:00:00+00:00',
    '2024-03-15T14:00:00.Z',
    '2024-03-15T14:00:00.1234567890Z',
    '2024-13-01T00:00:00Z',
    '2024-03-15T25:00:00Z',
    '2024-03-15T14:60:00Z',
    '2024-02-30T00:00:00Z',
    '2023-02-29T00:00:00Z',
    '2024-04-31T00:00:00.5Z',
    '2024-01-01T24:00:00Z',
    '2024-03-15T14:00:00Z\n',
    ' 2024-03-15T14:00:00Z',
    '+002024-03-15T14:00:00Z',
  ]) {
    t.throws(() => fromWireTime(text), RangeError, JSON.stringify(text));
    t.notOk(WireTime.safeParse(text).success, `${JSON.stringify(text)} fails the schema`);
  }
  t.notOk(WireTime.safeParse(MARCH_US).success, 'a number is no wire time');
  t.throws(() => toWireTime(Number.NaN), RangeError);
});

t.test('file names carry the UTC second they began in', async (t) => {
  t.equal(fileStamp(MARCH_US), '20240315_140000');
  t.equal(fileStamp(MARCH_US + 999_999), '20240315_140000', 'not the nearest second');
  t.equal(fileStamp(Date.UTC(2024, 11, 31, 23, 59, 59) * 1000 + 5), '20241231_235959');
});
