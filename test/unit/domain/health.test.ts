import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { type HealthReading, SensorsConfig } from '#contracts/health.ts';
import { startGates } from '#domain/gates/gates.ts';
import { batteryLine, checksum, parseBatteryLine } from '#domain/health/battery-line.ts';
import {
  type BatteryRun,
  minutesLeft,
  minutesOfSpace,
  NO_BATTERY_RUN,
  takeReading,
} from '#domain/health/battery-run.ts';
import {
  ina219BusVolts,
  max17040Volts,
  max17048Charging,
  max17048Volts,
  maximPercent,
  percentByVolts,
  plausibleCell,
} from '#domain/health/gauge-registers.ts';
import { type Level, levelOf, THRESHOLDS } from '#domain/health/levels.ts';
import {
  batteryReading,
  diskConditionReading,
  diskSpaceReading,
  memoryReading,
  throttlingReading,
} from '#domain/health/readings.ts';
import { parseSmartLog } from '#domain/health/smart-log.ts';
import { parseThrottled, throttlingSeverity } from '#domain/health/throttled.ts';
import { createLevels } from '#services/health/levels.ts';

/** Numbers that look random and are the same each time (a linear congruential generator, Numerical Recipes). */
function chance(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const RANK = { ok: 0, warn: 1, critical: 2 } as const;
const NAMES = Object.keys(THRESHOLDS) as HealthReading[];

t.test('levels, at their borders', (t: Test) => {
  t.same(
    [14.9, 15, 9.9, 10].map((percent) => levelOf('battery', undefined, percent)),
    ['warn', 'ok', 'critical', 'warn'],
  );
  t.same(
    [74.9, 75, 79.9, 80].map((celsius) => levelOf('temperature', undefined, celsius)),
    ['ok', 'warn', 'warn', 'critical'],
  );
  t.same(
    [10, 11.9, 12, 16.9, 17].map((percent) => levelOf('battery', 'critical', percent)),
    ['critical', 'critical', 'warn', 'warn', 'ok'],
    'a level is left only beyond its threshold',
  );
  t.same(
    [72, 71.9, 77, 76.9].map((celsius) =>
      levelOf('temperature', celsius > 75 ? 'critical' : 'warn', celsius),
    ),
    ['warn', 'ok', 'critical', 'warn'],
  );
  t.end();
});

t.test('levels, for any course of any reading', (t: Test) => {
  for (const name of NAMES) {
    const threshold = THRESHOLDS[name];
    const random = chance(NAMES.indexOf(name) + 1);
    const span = Math.max(Math.abs(threshold.critical - threshold.warn), threshold.hysteresis, 1) * 3;
    let previous: Level | undefined;
    for (let n = 0; n < 5000; n++) {
      const value = threshold.warn + (random() - 0.5) * 2 * span;
      const now = levelOf(name, previous, value);
      const plain = levelOf(name, undefined, value);
      if (RANK[now] < RANK[plain]) t.fail(`${name} ${value}: ${now} is better than the value`);
      if (previous && RANK[now] > RANK[previous] && now !== plain)
        t.fail(`${name} ${value}: held at a worse level`);
      if (levelOf(name, now, value) !== now) t.fail(`${name} ${value}: the same value changes ${now} again`);
      previous = now;
    }
    // A value that trembles by less than the hysteresis around a threshold changes the level once.
    for (const limit of [threshold.warn, threshold.critical]) {
      if (threshold.hysteresis === 0) continue;
      const courses = Array.from(
        { length: 200 },
        () => limit + (random() - 0.5) * 0.9 * threshold.hysteresis,
      );
      let level: Level | undefined = 'ok';
      const seen: string[] = [];
      for (const value of courses) {
        level = levelOf(name, level, value);
        if (seen.at(-1) !== level) seen.push(level);
      }
      if (seen.length > 2) t.fail(`${name} trembles around ${limit}: ${seen}`);
    }
  }
  t.end();
});

t.test('the gates of a start read the same table', (t: Test) => {
  const readings = {
    camera: { present: true, reason: null },
    disk: { present: true, reason: null, freeBytes: 9e11, totalBytes: 1e12 },
    clock: { bound_ms: 1 },
    bitrateMbps: 30,
    update: { applying: null, problem: null },
  };
  const limits = { expectedDurationMin: 110, freeWarnPercent: 15, freeBlockPercent: 10 };
  const as = { ok: [], warn: ['note'], critical: ['soft'] };
  for (let value = 0; value <= 100; value += 0.5) {
    const gates = startGates(
      { ...readings, battery: { percent: value, charging: false }, temperature: { celsius: value } },
      limits,
    );
    const of = (name: string): string[] => gates.flatMap(({ gate, level }) => (gate === name ? [level] : []));
    t.strictSame(of('battery'), as[levelOf('battery', undefined, value)], `battery ${value}`);
    t.strictSame(of('temperature'), as[levelOf('temperature', undefined, value)], `temperature ${value}`);
  }
  t.end();
});

t.test('levels as they are published, and their changes', (t: Test) => {
  const { judge } = createLevels();
  const none = Object.fromEntries(NAMES.map((name) => [name, undefined])) as Record<HealthReading, undefined>;
  const battery = (percent: number, charging = false) =>
    batteryReading({ percent, volts: null, charging }, null);
  const of = (known: Parameters<typeof judge>[0]['battery']) => {
    const { readings, changes } = judge({ ...none, battery: known });
    return [readings.battery?.level, changes.map(({ from, to }) => `${from} to ${to}`)];
  };
  t.same(of(undefined), [undefined, []], 'too early to say');
  t.same(of(battery(50)), ['ok', []], 'the first level is no change');
  t.same(of(battery(9)), ['critical', ['ok to critical']]);
  t.same(of(battery(11)), ['critical', []], 'held');
  t.same(of({ unknown: 'gone' }), ['unknown', ['critical to unknown']]);
  t.same(of(battery(11)), ['critical', ['unknown to critical']], 'what was before is not forgotten');
  t.same(of(battery(11, true)), ['ok', ['critical to ok']], 'one that charges gets better by itself');
  t.same(of('not-fitted'), ['not-fitted', ['ok to not-fitted']]);
  const wear = (over: object) =>
    judge({
      ...none,
      'disk-condition': diskConditionReading({
        ...{ usedPercent: 3, sparePercent: 100, warnings: [], mediaErrors: 0, celsius: 40 },
        ...over,
      }),
    }).readings['disk-condition']?.level;
  t.equal(wear({}), 'ok');
  t.equal(wear({ mediaErrors: 1 }), 'warn');
  t.equal(wear({ warnings: ['it can only be read'] }), 'critical');
  t.equal(wear({ usedPercent: 80 }), 'warn');
  t.equal(wear({ usedPercent: 101, mediaErrors: 1 }), 'critical');
  t.end();
});

const MINUTE_US = 60e6;

/** A course of readings, one a second. */
function follow(
  percents: Iterable<number>,
  charging: boolean | null = false,
): { run: BatteryRun; atUs: number } {
  let run = NO_BATTERY_RUN;
  let atUs = 0;
  for (const percent of percents) {
    run = takeReading(run, { percent, volts: null, charging }, atUs);
    atUs += 1e6;
  }
  return { run, atUs };
}

function* falling(from: number, percentPerMinute: number, minutes: number, round = 0.1): Generator<number> {
  for (let second = 0; second < minutes * 60; second++)
    yield Math.round((from - (percentPerMinute * second) / 60) / round) * round;
}

t.test('minutes left', (t: Test) => {
  const near = (found: number | null, wanted: number, what: string): unknown =>
    t.ok(
      found !== null && Math.abs(found - wanted) <= Math.max(0.6, wanted * 0.1),
      `${what}: ${found}, about ${wanted}`,
    );
  t.equal(minutesLeft(NO_BATTERY_RUN), null);
  t.equal(minutesLeft(follow(falling(80, 0.5, 2.9)).run), null, 'too early');
  near(minutesLeft(follow(falling(80, 0.5, 10)).run), 75 / 0.5, 'half a percent a minute');
  near(minutesLeft(follow(falling(80, 0.5, 20, 1)).run), 70 / 0.5, 'a gauge of whole percents');
  near(minutesLeft(follow(falling(50, 4, 10)).run), 10 / 4, 'a load as heavy as can be');
  t.equal(minutesLeft(follow(falling(80, 0, 30)).run), null, 'a charge that does not fall');
  t.equal(minutesLeft(follow(falling(50, -0.5, 20)).run), null, 'one that rises');
  t.equal(minutesLeft(follow(falling(50, -0.5, 20), true).run), null, 'while it charges');
  near(minutesLeft(follow(falling(80, 0.5, 20), true).run), 70 / 0.5, 'plugged into what is too weak');
  near(
    minutesLeft(follow(falling(80, 0.5, 20), null).run),
    70 / 0.5,
    'a gauge that does not tell of charging',
  );
  near(
    minutesLeft(follow([...falling(100, 0.2, 30), ...falling(94, 2, 22)]).run),
    50 / 2,
    'the rate is that of the last minutes',
  );

  const random = chance(7);
  const noisy = [...falling(80, 0.5, 20)].map((percent) => percent + (random() - 0.5) * 3);
  near(minutesLeft(follow(noisy).run), 70 / 0.5, 'noise of a percent and a half');
  const wild = [...falling(80, 0.5, 20)].map((percent) => (random() < 0.2 ? random() * 100 : percent));
  near(minutesLeft(follow(wild).run), 70 / 0.5, 'every fifth reading is anything');
  t.end();
});

t.test('a jump is doubted until it is confirmed', (t: Test) => {
  const { run, atUs } = follow(falling(80, 0.5, 5));
  const before = run.believed?.percent;
  const say = (state: BatteryRun, second: number, percent: number): BatteryRun =>
    takeReading(state, { percent, volts: null, charging: false }, atUs + second * 1e6);
  const one = say(run, 0, 12);
  t.equal(one.believed?.percent, before, 'no battery falls by 65 % in a second');
  t.equal(say(one, 1, 77).believed?.percent, 77, 'it was a misreading');
  t.equal(say(one, 1, 77).doubted, null);

  let jumped = run;
  const believed: (number | undefined)[] = [];
  for (let second = 0; second < 6; second++) {
    jumped = say(jumped, second, 12);
    believed.push(jumped.believed?.percent);
  }
  t.same(believed, [before, before, before, before, 12, 12], 'after four that say the same it is true');
  t.equal(minutesLeft(jumped), null, 'and what was before says nothing about how long it lasts');

  let hasty = run;
  for (let n = 0; n < 29; n++) hasty = say(hasty, n / 10, 12);
  t.equal(hasty.believed?.percent, before, 'many within three seconds are one mistake');
  t.equal(say(hasty, 3, 12).believed?.percent, 12);

  let torn = run;
  for (let second = 0; second < 60; second++) torn = say(torn, second, second % 2 === 0 ? 12 : 45);
  t.equal(torn.believed?.percent, before, 'readings that contradict each other confirm nothing');
  const returned = say(run, 10 * 60, 20);
  t.not(returned.believed?.percent, 20, 'after ten minutes of silence one reading alone is not believed');
  t.equal(say(returned, 10 * 60 + 1, 20).believed?.percent, 20, 'two that agree are');
  t.not(say(returned, 10 * 60 + 1, 80).believed?.percent, 80, 'two that do not agree are not');

  const first = takeReading(NO_BATTERY_RUN, { percent: 3, volts: null, charging: false }, 0);
  t.equal(first.believed, null, 'a first reading alone could be one that went wrong');
  t.equal(takeReading(first, { percent: 3, volts: null, charging: false }, 1e6).believed?.percent, 3);
  t.end();
});

t.test('whatever comes, what is believed is near something that was said twice', (t: Test) => {
  const random = chance(11);
  for (let course = 0; course < 200; course++) {
    let run = NO_BATTERY_RUN;
    let last: number | undefined;
    const said: number[] = [];
    for (let second = 0; second < 100; second++) {
      const percent = random() < 0.5 ? random() * 100 : 50;
      said.push(percent);
      run = takeReading(run, { percent, volts: null, charging: null }, second * 1e6);
      const { believed } = run;
      if (believed === null || believed.percent === last) continue;
      const close = said.slice(-6).filter((each) => Math.abs(each - believed.percent) <= 7).length;
      const step = last === undefined ? Number.POSITIVE_INFINITY : Math.abs(believed.percent - last);
      if (step > 20 && close < 2)
        t.fail(`course ${course}, second ${second}: ${last} became ${believed.percent}`);
      last = believed.percent;
    }
    const left = minutesLeft(run);
    if (left !== null && !(left >= 0 && Number.isFinite(left))) t.fail(`${left} minutes`);
    if (run.course.length > (20 * MINUTE_US) / 10e6 + 2) t.fail('the course grows');
  }
  t.end();
});

t.test('free space', (t: Test) => {
  t.equal(minutesOfSpace(30e9, 30), 133);
  t.equal(minutesOfSpace(null, 30), null);
  t.equal(minutesOfSpace(30e9, undefined), null);
  const disk = { present: true, free_bytes: 120e9, total_bytes: 480e9, minutes_left: 533 };
  t.match(diskSpaceReading(disk, undefined), { value: 25, text: '120.0 GB free (25 %), for 533 minutes' });
  t.equal(diskSpaceReading({ ...disk, free_bytes: null }, undefined), undefined);
  t.equal(diskSpaceReading({ ...disk, present: false }, undefined), undefined);
  t.match(memoryReading({ availableBytes: 1e9, totalBytes: 4e9 }), { value: 25 });
  t.end();
});

t.test('lines of a battery', (t: Test) => {
  t.equal(checksum('123456789'), '29B1', 'the check value of CRC-16/CCITT-FALSE');
  const line = 'TLB1 pct=83.2 mv=7820 chg=0';
  const whole = `${line} *${checksum(line)}`;
  t.same(parseBatteryLine(whole), { reading: { percent: 83.2, volts: 7.82, charging: false } });
  t.equal(batteryLine({ percent: 83.2, volts: 7.82, charging: false }), whole);
  const said = (body: string) => parseBatteryLine(`${body} *${checksum(body)}`);
  t.same(said('TLB1 pct=5'), { reading: { percent: 5, volts: null, charging: null } });
  t.same(said('TLB1 temp=21.5 pct=100 chg=1 x=-1'), {
    reading: { percent: 100, volts: null, charging: true },
  });
  for (const [body, field] of [
    ['TLB1 mv=7820', 'pct'],
    ['TLB1 pct=100.1', 'pct'],
    ['TLB1 pct=-1', 'pct'],
    ['TLB1 pct=1e1', 'pct'],
    ['TLB1 pct=83.25', 'pct'],
    ['TLB1 pct=83 mv=60001', 'mv'],
    ['TLB1 pct=83 mv=7.8', 'mv'],
    ['TLB1 pct=83 chg=2', 'chg'],
  ] as const)
    t.same(said(body), { refused: 'range', field }, body);
  t.same(said('TLB1 pct=8 pct=9'), { refused: 'malformed', field: 'pct' });
  t.same(parseBatteryLine(whole.toLowerCase()), { refused: 'foreign' });
  t.same(parseBatteryLine(whole.replace('83', '38')), { refused: 'checksum' }, 'digits that changed places');
  t.same(parseBatteryLine(`${whole} `), { refused: 'malformed' });
  t.same(parseBatteryLine(whole.slice(0, -2)), { refused: 'malformed' });
  t.same(said('TLB2 pct=83'), { refused: 'malformed' }, 'another version');
  t.same(parseBatteryLine(`TLB1 ${'a=1 '.repeat(30)}*0000`), { refused: 'malformed' });
  t.same(parseBatteryLine(''), { refused: 'foreign' });
  t.end();
});

t.test('the line that the documentation shows', (t: Test) => {
  const shown = readFileSync('docs/battery.md', 'utf8').match(/^TLB1 .*$/gm) ?? [];
  t.same(shown.map(parseBatteryLine), [{ reading: { percent: 83.2, volts: 7.82, charging: false } }]);
  t.end();
});

t.test('noise is no line, and a damaged one is never taken for another', (t: Test) => {
  const random = chance(3);
  const any = (): string => String.fromCharCode(Math.floor(random() * 256));
  for (let n = 0; n < 20_000; n++) {
    const noise = Array.from({ length: Math.floor(random() * 60) }, any).join('');
    const parsed = parseBatteryLine(n % 2 === 0 ? noise : `TLB1 ${noise}`);
    if ('reading' in parsed) t.fail(`noise was believed: ${JSON.stringify(noise)}`);
  }
  let damaged = 0;
  for (let n = 0; n < 20_000; n++) {
    const reading = { percent: Math.floor(random() * 1001) / 10, volts: 7.82, charging: random() < 0.5 };
    const line = batteryLine(reading);
    const parsed = parseBatteryLine(line);
    if (!('reading' in parsed) || parsed.reading.percent !== reading.percent)
      t.fail(`not understood: ${line}`);
    // One or two characters, so near that only the checksum can tell.
    const chars = [...line];
    for (let hit = 0; hit <= n % 2; hit++) chars[Math.floor(random() * chars.length)] = any();
    const bad = chars.join('');
    if (bad === line) continue;
    damaged++;
    const found = parseBatteryLine(bad);
    if ('reading' in found) t.fail(`${line} was damaged to ${bad} and believed`);
  }
  t.ok(damaged > 19_000, `${damaged} damaged lines`);
  t.end();
});

t.test('registers of gauges', (t: Test) => {
  // INA219 datasheet, "Programming the INA219": 11.98 V are 2995 steps of 4 mV, in the register 0x5D98.
  t.equal(ina219BusVolts(0x5d98), 11.98);
  t.equal(ina219BusVolts(0x5d99), undefined, 'an overflow is no reading');
  // MAX17040 datasheet: 12 bits of 1.25 mV, full scale 5 V (4095 steps are 5.11875 V).
  t.equal(max17040Volts(0xfff0), 5.11875);
  t.equal(max17040Volts(0xc000), 3.84);
  t.equal(max17040Volts(0xc00f), 3.84, 'the lowest four bits mean nothing');
  // MAX17048 datasheet: 78.125 µV a step.
  t.equal(max17048Volts(0xc000), 3.84);
  t.equal(maximPercent(0x6480), 100, 'the model runs past full');
  t.equal(maximPercent(0x5333), 83 + 0x33 / 256);
  t.equal(maximPercent(0), 0);
  t.equal(max17048Charging(0xff00), false);
  t.equal(max17048Charging(0x0100), true);
  t.equal(max17048Charging(0xfffe), null);
  t.same([1.99, 2, 4.6, 4.61].map(plausibleCell), [false, true, true, false]);
  t.end();
});

t.test('charge by voltage', (t: Test) => {
  t.equal(percentByVolts(8.4, 2), 100);
  t.equal(percentByVolts(5.9, 2), 0);
  t.equal(percentByVolts(7.6, 2), 58);
  t.equal(percentByVolts(3.55, 1), 19, 'half way between two points');
  let before = -1;
  for (let volts = 2.5; volts < 4.4; volts += 0.005) {
    const percent = percentByVolts(volts, 1);
    if (percent < before || percent < 0 || percent > 100)
      t.fail(`${volts} V: ${percent} % after ${before} %`);
    before = percent;
  }
  t.equal(before, 100);
  t.end();
});

t.test('what the firmware says', (t: Test) => {
  t.same(parseThrottled('0\n'), { now: [], since_boot: [] });
  // The example of vcgencmd's documentation: 0x50005.
  const example = { now: ['under-voltage', 'throttled'], since_boot: ['under-voltage', 'throttled'] };
  t.same(parseThrottled('50005'), example);
  t.same(parseThrottled('0x50005'), example);
  t.same(parseThrottled('a000a'), {
    now: ['frequency-capped', 'soft-temperature-limit'],
    since_boot: ['frequency-capped', 'soft-temperature-limit'],
  });
  for (const text of ['', 'throttled', '-1', '123456789']) t.equal(parseThrottled(text), undefined, text);
  t.equal(throttlingSeverity({ now: ['soft-temperature-limit'], since_boot: [] }), 1);
  t.equal(throttlingSeverity({ now: ['under-voltage'], since_boot: [] }), 2);
  t.match(throttlingReading({ now: [], since_boot: ['under-voltage'] }), {
    value: 0,
    text: /earlier since the start: the power supply is too weak/,
  });
  t.end();
});

t.test('what a disk says', (t: Test) => {
  t.equal(parseSmartLog('{}'), undefined);
  t.equal(parseSmartLog('nothing'), undefined);
  t.match(
    parseSmartLog(
      '{"critical_warning":{"value":4,"x":1},"temperature":300,"avail_spare":50,"percent_used":1,"media_errors":0}',
    ),
    { warnings: ['it is no longer reliable'], celsius: 27 },
  );
  t.end();
});

t.test('settings of sensors that cannot be', (t: Test) => {
  const faults = (sensors: object): string[] =>
    SensorsConfig.safeParse(sensors).error?.issues.map(
      ({ path, message }) => `${path.join('.')}: ${message}`,
    ) ?? [];
  t.same(faults({}), []);
  t.same(faults({ temperature: 'sysfs', battery: 'sysfs' }), []);
  t.same(faults({ battery: 'serial', battery_device: '/dev/ttyAMA0', battery_baud: 115_200 }), []);
  t.same(faults({ battery: 'i2c', battery_board: 'ina219-2s', battery_address: 0x43, i2c_bus: 1 }), []);
  t.same(faults({ battery: 'serial' }), ['battery_device: must be set with battery: serial']);
  t.same(faults({ battery: 'i2c' }), ['battery_board: must be set with battery: i2c']);
  t.same(faults({ battery_device: '/dev/ttyAMA0' }), ['battery_device: has no meaning with battery: none']);
  t.same(
    faults({ battery: 'serial', battery_device: '/dev/ttyAMA0', i2c_bus: 1, battery_board: 'max17040' }),
    ['battery_board: has no meaning with battery: serial', 'i2c_bus: has no meaning with battery: serial'],
  );
  t.match(faults({ battery: 'serial', battery_device: 'ttyAMA0' }), [
    /battery_device: must be a device below \/dev/,
  ]);
  t.match(faults({ battery: 'serial', battery_device: '/dev/ttyAMA0', battery_baud: 9601 }), [
    /battery_baud/,
  ]);
  t.match(faults({ battery: 'i2c', battery_board: 'max17040', battery_address: 0x78 }), [/battery_address/]);
  t.match(faults({ battery: 'i2c', battery_board: 'other' }), [/battery_board/]);
  t.end();
});

t.test('a battery that is plugged in and still falls does not charge', (t: Test) => {
  let run = NO_BATTERY_RUN;
  let second = 0;
  const pass = (
    seconds: number,
    percent: (second: number) => number,
    charging: boolean | null = true,
  ): void => {
    for (let n = 0; n < seconds; n++)
      run = takeReading(run, { percent: percent(n), volts: null, charging }, ++second * 1e6);
  };
  pass(600, () => 40);
  t.equal(run.believed?.charging, true);
  pass(5, (n) => 40 - n);
  pass(60, () => 36);
  t.equal(run.believed?.charging, true, 'a load that begins is no fall');
  pass(1200, (n) => 36 - n / 100);
  t.equal(run.believed?.percent.toFixed(0), '24');
  t.equal(run.believed?.charging, false, 'a supply that is too weak for it excuses nothing');
  t.ok((minutesLeft(run) ?? 0) > 20 && (minutesLeft(run) ?? 0) < 70, `${minutesLeft(run)} minutes left`);
  t.notOk(batteryReading({ percent: 12, volts: null, charging: run.believed?.charging ?? null }, 1).excused);
  pass(200, (n) => 24 + n / 100);
  t.equal(run.believed?.charging, false, 'two percent are asked for');
  pass(100, (n) => 26 + n / 100);
  t.equal(run.believed?.charging, true, 'until it rises');
  t.equal(minutesLeft(run), null);
  pass(60, () => 27, false);
  pass(60, () => 27, true);
  t.equal(run.believed?.charging, true, 'unplugged and plugged in again');
  t.end();
});
