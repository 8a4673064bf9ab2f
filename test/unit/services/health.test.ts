import t, { type Test } from 'tap';
import type { HealthState } from '#contracts/health.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { batteryLine } from '#domain/health/battery-line.ts';
import type { GaugeReading } from '#domain/health/battery-run.ts';
import { lineFinder } from '#ports/battery/serial-battery.ts';
import { simulatedBattery } from '#ports/battery/simulated-battery.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';
import { simulatedDiskCondition } from '#ports/disk-condition/simulated-disk-condition.ts';
import { simulatedMachine } from '#ports/machine/simulated-machine.ts';
import { manualVitals } from '#ports/vitals/manual-vitals.ts';
import { createBus } from '#runtime/bus/create-bus.ts';
import { createLogger } from '#runtime/logger.ts';
import { createAsked } from '#services/health/asked.ts';
import { watchBattery } from '#services/health/battery-watch.ts';
import { createHealth } from '#services/health/service.ts';
import { createWriteSpeed } from '#services/health/write-speed.ts';
import { batteryFromHealth } from '#services/recorder/health-battery.ts';
import { recorderBody } from '../../fixtures/recorder-state.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;
const reading = (percent: number, charging = false): GaugeReading => ({ percent, volts: 7.4, charging });

t.test('a sensor that does not answer holds up nobody and is asked again', async (t) => {
  const clock = manualClock();
  let asks = 0;
  let answer = Promise.withResolvers<number>();
  const asked = createAsked({
    ...{ clock, log, name: 'the sensor', everyMs: 1000, limitMs: 2000 },
    ask: () => {
      asks++;
      return answer.promise;
    },
  });
  await asked.start(signal);
  await clock.advance(1999);
  t.equal(asked.failure, undefined, 'too early');
  await clock.advance(1);
  t.match(asked.failure, {
    code: 'sensor_failed',
    message: 'the sensor does not answer: 2 s were waited for',
  });
  await clock.advance(60_000);
  t.equal(asks, 1, 'an answer that is still out is not asked for again');
  answer.resolve(4);
  await clock.advance(0);
  t.equal(asked.value, undefined, 'an answer that came too late is none');
  answer = Promise.withResolvers();
  answer.resolve(7);
  await clock.advance(1000);
  t.equal(asked.value, 7);
  t.equal(asked.failure, undefined);
  await asked.stop();
});

t.test('a sensor that never answers keeps nobody from stopping', async (t) => {
  const clock = manualClock();
  const asked = createAsked({
    ...{ clock, log, name: 'the sensor', everyMs: 1000, limitMs: 2000 },
    ask: () => new Promise<number>(() => undefined),
  });
  await asked.start(signal);
  await clock.advance(5000);
  t.match(asked.failure, { code: 'sensor_failed' });
  const stopped = asked.stop().then(() => 'stopped');
  await clock.advance(1000);
  t.equal(await Promise.race([stopped, Promise.resolve('still there')]), 'stopped');
});

t.test('a sensor that fails is asked less and less often, and its old value is gone', async (t) => {
  const clock = manualClock();
  const at: number[] = [];
  let works = true;
  const asked = createAsked({
    ...{ clock, log, name: 'the sensor', everyMs: 1000, limitMs: 2000 },
    ask: async () => {
      at.push(clock.monoUs() / 1e6 - 1);
      if (!works) throw new Error('broken');
      return 1;
    },
  });
  await asked.start(signal);
  await clock.advance(2000);
  t.equal(asked.value, 1);
  works = false;
  await clock.advance(130_000);
  t.equal(asked.value, undefined);
  t.match(asked.failure, { code: 'sensor_failed', message: 'the sensor: broken' });
  t.same(at, [0, 1, 2, 3, 4, 6, 10, 18, 34, 66, 126]);
  works = true;
  await clock.advance(62_000);
  t.equal(asked.value, 1);
  t.same(at.slice(11, 14), [186, 187, 188], 'as often as ever, once it answers');
  await asked.stop();
});

t.test('a battery that falls silent, contradicts itself, goes and comes back', async (t) => {
  const clock = manualClock();
  const gauge = simulatedBattery();
  const watch = watchBattery({ clock, log, gauge });
  const speak = async (seconds: number, percent: (second: number) => number): Promise<void> => {
    for (let second = 0; second < seconds; second++) {
      gauge.say(reading(percent(second)));
      await clock.advance(1000);
    }
  };
  await watch.start(signal);
  await clock.advance(0);
  t.equal(watch.battery, undefined, 'too early to say');
  await clock.advance(10_001);
  t.equal(watch.battery, null);
  t.match(watch.failure, { code: 'sensor_failed', message: 'the simulated battery says nothing' });

  await speak(3, () => 80);
  t.match(watch.battery, { percent: 80, volts: 7.4, charging: false });
  t.equal(watch.failure, undefined);
  await speak(2, () => 20);
  t.match(watch.battery, { percent: 80 }, 'a jump is doubted');
  await clock.advance(7000);
  t.match(watch.battery, { percent: 80 }, 'ten seconds after the last that was believed');
  await clock.advance(1000);
  t.equal(watch.battery, null);
  t.match(watch.failure, { message: /contradict each other/ });
  await speak(5, () => 20);
  t.match(watch.battery, { percent: 20 }, 'what is confirmed is believed');

  await clock.advance(11_000);
  gauge.sayGarbage('a line with a wrong checksum');
  gauge.sayGarbage('a line with a wrong checksum');
  t.match(watch.failure, { message: /2 times a line with a wrong checksum/ });

  await speak(3, () => 21);
  gauge.unplug();
  await clock.advance(5000);
  t.match(watch.battery, { percent: 21 }, 'a cable that is loose for seconds is nothing');
  await clock.advance(6000);
  t.equal(watch.battery, null);
  t.match(watch.failure, { message: 'the simulated battery is not there' });
  gauge.plug();
  let waitedMs = 0;
  for (; !gauge.listening && waitedMs < 60_000; waitedMs += 500) await clock.advance(500);
  t.ok(waitedMs <= 30_000, `found again after ${waitedMs} ms`);
  await speak(3, () => 20);
  t.match(watch.battery, { percent: 20 });
  await watch.stop();
  t.notOk(gauge.listening, 'it is let go of');
});

t.test('the speed of the disk is measured only while nothing is recorded', async (t) => {
  const clock = manualClock();
  const disk = memoryDisk(4e9);
  let idle = false;
  let written = 0;
  let whileBusy = 0;
  const slow: typeof disk = {
    ...disk,
    async open(path, how) {
      const file = await disk.open(path, how);
      return {
        ...file,
        append: (bytes) => {
          written += bytes.length;
          if (!idle) whileBusy++;
          return file.append(bytes);
        },
        async sync() {
          await clock.sleepUntil(clock.monoUs() + 100_000, 'a disk');
          await file.sync();
        },
      };
    },
  };
  const speed = createWriteSpeed({ clock, log, disk: slow, idle: () => idle });
  await speed.start(signal);
  await clock.advance(10 * 3600_000);
  t.equal(written, 0, 'never while it is busy');
  idle = true;
  await clock.advance(60_000);
  t.equal(written, 0, 'nor as soon as it is idle');
  await clock.advance(5100);
  idle = false;
  await clock.advance(10_000);
  const given = written;
  t.ok(given > 0 && given < 16 * 2 ** 20, `a start ends it: ${given} bytes`);
  t.equal(whileBusy, 0);
  t.equal(speed.mbps, undefined, 'half a measurement is none');
  idle = true;
  await clock.advance(70_000);
  const expected = (16 * 2 ** 20 * 8) / 400_000;
  t.ok(Math.abs((speed.mbps ?? 0) - expected) < 1, `${speed.mbps} Mbit/s`);
  t.same(await disk.list(''), [], 'nothing is left of it');
  const once = written;
  await clock.advance(5.9 * 3600_000);
  t.equal(written, once, 'seldom');
  await clock.advance(0.2 * 3600_000);
  t.equal(written, once + 16 * 2 ** 20);
  await speed.stop();
});

t.test('bytes of all kinds on a serial line give no reading that nobody sent', (t: Test) => {
  let state = 5;
  const random = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const heard: number[] = [];
  let refused = 0;
  const find = lineFinder({
    reading: ({ percent }) => void heard.push(percent),
    refused: () => {
      refused++;
    },
  });
  const sent: number[] = [];
  for (let n = 0; n < 3000; n++) {
    const percent = Math.floor(random() * 1000) / 10;
    const noise = Buffer.from(
      Array.from({ length: Math.floor(random() * 300) }, () => Math.floor(random() * 256)),
    );
    // After an end of line the next one is whole again.
    const bytes = Buffer.concat([noise, Buffer.from(`\n${batteryLine(reading(percent))}\r\n`)]);
    sent.push(percent);
    for (let at = 0; at < bytes.length; ) {
      const length = 1 + Math.floor(random() * 60);
      find(bytes.subarray(at, at + length));
      at += length;
    }
  }
  t.same(heard, sent, 'every line that was sent, in order, and no other');
  t.ok(refused > 2000, `${refused} refusals`);
  heard.length = 0;
  find(Buffer.alloc(200, 'x'));
  find(Buffer.from(`${batteryLine(reading(50))}\n`));
  t.same(heard, [], 'the end of something too long is no line, wherever it was cut');
  find(Buffer.from(`${batteryLine(reading(49))}\n`));
  t.same(heard, [49]);
  t.end();
});

const config = NodeConfig.parse({
  version: 1,
  rig: 'r',
  camera_id: 'CAM_C',
  position: 'center',
  camera: { source: 'test-pattern' },
  sensors: { battery: 'serial', battery_device: '/dev/ttyAMA0', temperature: 'sysfs', throttling: 'sysfs' },
});

t.test('what is published, and when a level changes', async (t) => {
  const clock = manualClock();
  const broker = memoryBroker();
  const busOf = (service: 'health' | 'recorder' | 'api') =>
    createBus({ rig: 'r', node: 'CAM_C', service, broker, clock, log });
  const [bus, recorder, ear] = [busOf('health'), busOf('recorder'), busOf('api')];
  for (const each of [bus, recorder, ear]) await each.start(signal);
  const [vitals, machine, gauge, diskCondition] = [
    manualVitals(),
    simulatedMachine(),
    simulatedBattery(),
    simulatedDiskCondition(),
  ];
  vitals.set({ celsius: 61.26 });
  machine.set({ throttled: null });
  const health = createHealth({
    config,
    clock,
    bus,
    log,
    vitals,
    machine,
    gauge,
    diskCondition,
    disk: undefined,
  });
  let state: HealthState | undefined;
  const events: string[] = [];
  ear.watchState('health', (_node, seen) => {
    state = seen.online ? seen.state : undefined;
  });
  ear.watchEvents((_node, name, event) => {
    if (name === 'health/level' && 'reading' in event)
      events.push(`${event.reading}: ${event.from} to ${event.to}`);
  });
  const { camera, disk, ...body } = recorderBody();
  const say = (over: { camera?: Partial<typeof camera>; disk?: Partial<typeof disk> }): void =>
    recorder.setState('recorder', {
      ...body,
      camera: { ...camera, ...over.camera },
      disk: { ...disk, ...over.disk },
    });
  say({ disk: { present: true, free_bytes: 120e9, total_bytes: 480e9, minutes_left: 533 } });
  await health.start(signal);
  for (let second = 0; second < 4; second++) {
    gauge.say(reading(54.3));
    await clock.advance(1000);
  }
  const levels = (): Record<string, string> =>
    Object.fromEntries(Object.entries(state?.readings ?? {}).map(([name, { level }]) => [name, level]));
  t.same(levels(), {
    temperature: 'ok',
    throttling: 'unknown',
    load: 'ok',
    memory: 'ok',
    camera: 'ok',
    'disk-space': 'ok',
    'disk-condition': 'ok',
    'disk-write': 'not-fitted',
    battery: 'ok',
  });
  t.match(state?.readings.temperature, { value: 61.3, unit: '°C' });
  t.match(state?.readings['disk-space'], { value: 25, text: '120.0 GB free (25 %), for 533 minutes' });
  t.match(state?.battery, { percent: 54.3, volts: 7.4, charging: false, minutes_left: null });
  t.equal(state?.throttled, null);
  t.match(state?.faults, [{ code: 'sensor_failed', message: /firmware cannot be told/ }]);
  t.same(events, []);

  vitals.set({ celsius: 81 });
  say({
    camera: { present: false, reason: 'the ribbon is loose' },
    disk: { free_bytes: 50e9, total_bytes: 480e9 },
  });
  await clock.advance(2000);
  t.same(events.sort(), ['camera: ok to critical', 'disk-space: ok to warn', 'temperature: ok to critical']);
  t.match(state?.readings.camera, { text: 'the ribbon is loose' });
  events.length = 0;
  vitals.set({ celsius: null });
  await recorder.stop();
  await clock.advance(10_000);
  t.same(events.sort(), [
    'battery: ok to unknown',
    'camera: critical to unknown',
    'disk-space: warn to unknown',
    'temperature: critical to unknown',
  ]);
  t.equal(state?.battery, null);
  await health.stop();
  await bus.stop();
  await clock.advance(0);
  t.equal(state, undefined, 'a health that is gone leaves no readings');
  await ear.stop();
});

t.test('the recorder believes a battery of health as long as it is fresh', async (t) => {
  const clock = manualClock();
  const broker = memoryBroker();
  const busOf = (service: 'health' | 'recorder', node: string) =>
    createBus({ rig: 'r', node, service, broker, clock, log });
  const [mine, other, own] = [busOf('health', 'CAM_C'), busOf('health', 'CAM_L'), busOf('recorder', 'CAM_C')];
  for (const each of [mine, other, own]) await each.start(signal);
  const base = manualVitals();
  base.set({ celsius: 50 });
  const vitals = batteryFromHealth({ vitals: base, bus: own, clock, cameraId: 'CAM_C' });
  const stop = vitals.start();
  const say = async (
    bus: typeof mine,
    percent: number,
    charging: boolean | null,
    ageSec = 0,
  ): Promise<void> => {
    const read_at = new Date(clock.wallUs() / 1000 - ageSec * 1000).toISOString().replace('Z', '000Z');
    bus.setState('health', {
      ...{ readings: {}, throttled: null, faults: [] },
      battery: { percent, volts: null, charging, minutes_left: null, read_at },
    });
    await clock.advance(0);
  };
  t.equal(await vitals.battery(), null, 'nothing was said');
  t.same(await vitals.temperature(), { celsius: 50 }, 'the rest is its own');
  await say(other, 70, false);
  t.equal(await vitals.battery(), null, 'that of another node is not ours');
  await say(mine, 80, null, 3600);
  t.equal(await vitals.battery(), null, 'what the broker kept from before is not believed');
  await say(mine, 81, null, -3600);
  t.equal(await vitals.battery(), null, 'nor what was read under a clock that was set back since');
  await say(mine, 80, null);
  t.same(
    await vitals.battery(),
    { percent: 80, charging: false },
    'what is not known of charging excuses nothing',
  );
  await say(mine, 8, true);
  t.same(await vitals.battery(), { percent: 8, charging: true });
  await clock.advance(15_000);
  t.not(await vitals.battery(), null);
  await clock.advance(1);
  t.equal(await vitals.battery(), null, 'too old');
  await say(mine, 60, false);
  t.same(await vitals.battery(), { percent: 60, charging: false });
  await mine.stop();
  await clock.advance(0);
  t.equal(await vitals.battery(), null, 'health is gone');
  stop();
  await other.stop();
  await own.stop();
});
