import t from 'tap';
import { parseRmc } from '#domain/chrony/nmea.ts';
import { sockSample } from '#domain/chrony/sock-sample.ts';
import { lineReader } from '#ports/gnss/gnss.ts';

t.test('an RMC sentence says which instant it is', async (t) => {
  t.same(parseRmc('$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230324,003.1,W*61'), {
    fix: true,
    utcUs: Date.UTC(2024, 2, 23, 12, 35, 19) * 1000,
  });
  t.match(parseRmc('$GNRMC,235959.250,A,,,,,,,311226,,,A*48\r'), {
    fix: true,
    utcUs: Date.UTC(2026, 11, 31, 23, 59, 59, 250) * 1000,
  });
  t.same(parseRmc('$GPRMC,123519,V,,,,,,,230324,,*38'), { fix: false }, 'there is no fix yet');
  t.same(parseRmc('$GPRMC,,V,,,,,,,,,,N*53'), { fix: false }, 'nor any idea');
});

t.test('everything else says nothing', async (t) => {
  for (const line of [
    '',
    '$GPGGA,123519,4807.038,N,01131.000,E,1,08,0.9,545.4,M,46.9,M,,*47',
    '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230324,003.1,W*60',
    '$GPRMC,123519,A,4807.038,N,01131.000,E,022.4,084.4,230324,003.1,W',
    '$GPRMC,123519,A,48\u00ff\u0000*68',
    `$GPRMC,${'1'.repeat(10_000)}`,
  ])
    t.equal(parseRmc(line), undefined, JSON.stringify(line.slice(0, 40)));
});

t.test('a line has the time of its first piece', async (t) => {
  const heard: [string, number][] = [];
  const read = lineReader((line, atMonoUs) => void heard.push([line, atMonoUs]));
  read('$ONE,', 10);
  read('1\r\n$TW', 20);
  read('O\r\n\r\n$THREE\r\n', 30);
  read('$FOUR\n', 40);
  t.same(heard, [
    ['$ONE,1', 10],
    ['$TWO', 20],
    ['$THREE', 30],
    ['$FOUR', 40],
  ]);
});

t.test("a sample as chrony's SOCK driver reads it", async (t) => {
  const view = new DataView(sockSample({ wallUs: 1_710_511_200_250_000, aheadUs: -1_500_000 }).buffer);
  t.equal(view.byteLength, 40);
  t.equal(view.getBigInt64(0, true), 1_710_511_200n);
  t.equal(view.getBigInt64(8, true), 250_000n);
  t.equal(view.getFloat64(16, true), -1.5);
  t.equal(view.getInt32(24, true), 0, 'no pulse');
  t.equal(view.getInt32(36, true), 0x534f434b);
});
