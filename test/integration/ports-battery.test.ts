import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { batteryLine } from '#domain/health/battery-line.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import { batteryConformance } from '#ports/battery/conformance.ts';
import { i2cBattery } from '#ports/battery/gauge-boards.ts';
import { serialBattery } from '#ports/battery/serial-battery.ts';
import { simulatedBattery } from '#ports/battery/simulated-battery.ts';
import { sysfsBattery } from '#ports/battery/sysfs-battery.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { simulatedI2c } from '#ports/i2c/simulated-i2c.ts';
import { until } from '../fixtures/bridges.ts';
import { serialLine } from '../fixtures/serial-line.ts';

const clock = systemClock();
const reading = (percent: number): GaugeReading => ({ percent, volts: 7.5, charging: false });

t.test('a simulated battery', async (t) => {
  const gauge = simulatedBattery();
  await batteryConformance(t, {
    gauge,
    set: async (percent) => gauge.say(reading(percent)),
    garbage: async () => gauge.sayGarbage('noise'),
    unplug: async () => gauge.unplug(),
    plug: async () => gauge.plug(),
    until,
  });
});

t.test('a battery on a serial line', async (t) => {
  const line = await serialLine(t);
  const say = (text: string): Promise<void> => line.say(`${text}\r\n`);
  await batteryConformance(t, {
    gauge: serialBattery({ device: line.device, baud: 9600 }),
    set: (percent) => say(batteryLine(reading(percent))),
    garbage: () => say(batteryLine(reading(60)).replace('60', '61')),
    unplug: () => line.unplug(),
    plug: () => line.plug(),
    until,
  });
});

t.test('a battery gauge on a bus', async (t) => {
  const bus = simulatedI2c();
  await batteryConformance(t, {
    gauge: i2cBattery({ board: 'max17040', openBus: bus.open, clock }),
    async set(percent) {
      bus.setWord(0x36, 0x02, 0xc000);
      bus.setWord(0x36, 0x04, percent << 8);
    },
    // All ones are what a bus says whose wires have come off.
    garbage: async () => bus.setWord(0x36, 0x02, 0xffff),
    unplug: async () => bus.remove(0x36),
    plug: async () => undefined,
    until,
  });
});

t.test('a battery that the kernel knows', async (t) => {
  const root = await mkdtemp(join(tmpdir(), 'touchline-sysfs-'));
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const supply = join(root, 'class/power_supply/gauge');
  const put = async (name: string, text: string): Promise<void> => {
    // Whole or not at all, as sysfs answers.
    await writeFile(join(root, 'new'), `${text}\n`);
    await rename(join(root, 'new'), join(supply, name));
  };
  await batteryConformance(t, {
    gauge: sysfsBattery({ clock, sysfs: root }),
    async set(percent) {
      await mkdir(supply, { recursive: true });
      await put('type', 'Battery');
      await put('voltage_now', '7400000');
      await put('status', 'Discharging');
      await put('capacity', String(percent));
    },
    unplug: () => rm(supply, { recursive: true }),
    plug: async () => undefined,
    until,
  });
});

t.test('what the kernel says of charging', async (t) => {
  const readings: GaugeReading[] = [];
  const of = async (status: string, more: Record<string, string> = {}): Promise<void> => {
    const sysfs = t.testdir({
      class: {
        power_supply: { gauge: { type: 'Battery\n', capacity: '40\n', status: `${status}\n`, ...more } },
      },
    });
    const open = await sysfsBattery({ clock, sysfs }).open({
      reading: (each) => void readings.push(each),
      refused: (why) => t.fail(why),
    });
    await open.close();
  };
  await of('Discharging', { voltage_now: '3712000\n' });
  for (const status of ['Charging', 'Full', 'Not charging', 'Unknown']) await of(status);
  t.same(readings, [
    { percent: 40, volts: 3.712, charging: false },
    { percent: 40, volts: null, charging: true },
    { percent: 40, volts: null, charging: true },
    { percent: 40, volts: null, charging: true },
    { percent: 40, volts: null, charging: null },
  ]);
});

t.test('a serial line with half lines, noise and lines without an end', async (t) => {
  const line = await serialLine(t);
  const heard: (number | string)[] = [];
  const open = await serialBattery({ device: line.device, baud: 9600 }).open({
    reading: ({ percent }) => void heard.push(percent),
    refused: (why) => void heard.push(why),
  });
  t.teardown(() => open.close());
  const good = (percent: number): string => `${batteryLine(reading(percent))}\n`;
  const hears = async (bytes: string | Uint8Array, ...wanted: (number | string)[]): Promise<void> => {
    heard.length = 0;
    await line.say(bytes);
    await until(() => heard.length >= wanted.length, `${wanted}; heard ${heard}`);
    t.same(heard, wanted);
  };
  await hears(`cut in the middle\n${good(80)}`, 80);
  await hears(`${good(79)}${good(78)}`, 79, 78);
  heard.length = 0;
  for (const piece of good(77).match(/.{1,5}\n?/g) ?? []) await line.say(piece);
  await until(() => heard.length > 0, 'a line in pieces');
  t.same(heard, [77]);
  await hears(`hello\n${good(76)}`, 'a line that is not of this protocol (does the speed fit?)', 76);
  await hears(`${good(75).slice(0, 12)}\n${good(74)}`, 'a line that is damaged', 74);
  await hears(good(73).replace('73', '13') + good(72), 'a line with a wrong checksum', 72);
  await hears(`${'x'.repeat(1000)}${good(71)}${good(70)}`, 'more bytes than a line has', 70);
  const noise = Buffer.alloc(600, 0xfe);
  await hears(Buffer.concat([noise, Buffer.from(`\n${good(69)}`)]), 'more bytes than a line has', 69);
});

t.test('what is no serial port is refused with its name', async (t) => {
  const gauge = serialBattery({ device: '/dev/ttyNOTHERE', baud: 9600 });
  await t.rejects(gauge.open({ reading: () => undefined, refused: () => undefined }), {
    code: 'sensor_failed',
    field: 'sensors.battery_device',
    message: /the battery on \/dev\/ttyNOTHERE cannot be opened/,
  });
});

t.test('every board that is known', async (t) => {
  const bus = simulatedI2c();
  const ask = async (
    board: Parameters<typeof i2cBattery>[0]['board'],
    address?: number,
  ): Promise<unknown> => {
    let heard: unknown;
    const open = await i2cBattery({ board, address, openBus: bus.open, clock }).open({
      reading: (each) => {
        heard = each;
      },
      refused: (why) => {
        heard = why;
      },
    });
    await open.close();
    return heard;
  };
  bus.setWord(0x36, 0x02, 0xc3b0);
  bus.setWord(0x36, 0x04, 0x3280);
  t.same(await ask('max17040'), { percent: 50.5, volts: 3.91375, charging: null });
  bus.setWord(0x36, 0x16, 0xffc0);
  t.match(await ask('max17048'), { percent: 50.5, charging: false });
  bus.setWord(0x36, 0x16, 0x0040);
  t.match(await ask('max17048'), { charging: true });
  bus.setWord(0x36, 0x16, 0x0002);
  t.match(await ask('max17048'), { charging: null });
  bus.setWord(0x42, 0x02, (7600 / 4) << 3);
  t.same(await ask('ina219-2s'), { percent: 58, volts: 7.6, charging: null });
  bus.setWord(0x43, 0x02, (3800 / 4) << 3);
  t.same(await ask('ina219-1s'), { percent: 58, volts: 3.8, charging: null });
  bus.setWord(0x45, 0x02, (11_400 / 4) << 3);
  t.match(await ask('ina219-3s', 0x45), { volts: 11.4, charging: null });
  t.match(await ask('ina219-1s', 0x42), /7\.60 V, which 1 in series cannot have/);
  for (const [register, value] of [
    [0x22, 0x0f],
    [0x23, 0xa0],
    [0x2a, 77],
    [0x02, 0x80],
  ] as const)
    bus.setByte(0x57, register, value);
  t.same(await ask('pisugar3'), { percent: 77, volts: 4, charging: true });
  bus.setByte(0x57, 0x2a, 0xff);
  t.equal(await ask('pisugar3'), 'it says 255 %');
  await t.rejects(ask('pisugar3', 0x20), { code: 'sensor_failed', message: /0x20 .* does not answer/ });
});
