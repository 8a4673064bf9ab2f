import {
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { alsaBeeper } from '#ports/beeper/alsa-beeper.ts';
import { beeperConformance } from '#ports/beeper/conformance.ts';
import { gpioBeeper } from '#ports/beeper/gpio-beeper.ts';
import { memoryBeeper } from '#ports/beeper/memory-beeper.ts';
import { pwmBeeper } from '#ports/beeper/pwm-beeper.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { memoryGpio } from '#ports/gpio/memory-gpio.ts';
import { memorySpeaker } from '#ports/sound/memory-speaker.ts';
import type { Speaker } from '#ports/sound/speaker.ts';
import { until } from '../fixtures/bridges.ts';
import { tempFolder } from '../fixtures/central.ts';

const clock = systemClock();
const time = {
  until: (what: string, condition: () => boolean) => until(condition, what),
  settled: <T>(promise: Promise<T>) => promise,
};

/** What is in memory needs no real time, and a busy machine then misses no note. */
function simulated() {
  const manual = manualClock();
  const until = async (what: string, condition: () => boolean): Promise<void> => {
    for (let ms = 0; !condition(); ms += 10) {
      if (ms > 60_000) throw new Error(`a minute passed without ${what}`);
      await manual.advance(10);
    }
  };
  return {
    clock: manual,
    until,
    async settled<T>(promise: Promise<T>): Promise<T> {
      let over = false;
      const end = (): void => {
        over = true;
      };
      promise.then(end, end);
      await until('its end', () => over);
      return promise;
    },
  };
}

t.test('a beeper in memory behaves like a beeper', async (t) => {
  const { clock: manual, ...simulatedTime } = simulated();
  const beeper = memoryBeeper(manual);
  await beeperConformance(t, {
    ...{ ...simulatedTime, beeper, gone: 'panel_failed' },
    sounds: () => beeper.sounding,
    unplug: () => beeper.setPresent(false),
  });
});

t.test('a beeper on a GPIO line behaves like a beeper', async (t) => {
  const { clock: manual, ...simulatedTime } = simulated();
  const gpio = memoryGpio(manual, { panel: ['touchline-beeper'] });
  await beeperConformance(t, {
    ...{ ...simulatedTime, gone: 'panel_failed' },
    beeper: gpioBeeper({ gpio, line: 'touchline-beeper', clock: manual }),
    sounds: () => gpio.isHigh('touchline-beeper'),
    unplug: () => gpio.setPresent('panel', false),
  });
});

t.test('a beeper on a PWM channel behaves like a beeper, by the files of the kernel', async (t) => {
  const folder = await tempFolder(t);
  const root = join(folder, 'class');
  const device = (name: string, chip: string): string => {
    const at = join(root, chip);
    mkdirSync(join(folder, 'devices', name), { recursive: true });
    mkdirSync(at, { recursive: true });
    symlinkSync(join(folder, 'devices', name), join(at, 'device'));
    return at;
  };
  device('other.pwm', 'pwmchip0');
  const chip = device('1f00098000.pwm', 'pwmchip3');
  const channel = join(chip, 'pwm2');
  mkdirSync(channel);
  const read = (name: string): string =>
    existsSync(join(channel, name)) ? readFileSync(join(channel, name), 'utf8') : '';
  const beeper = pwmBeeper({ device: '1f00098000.pwm', channel: 2, clock, root });
  const heard = new Set<string>();
  await beeperConformance(t, {
    ...{ ...time, beeper, gone: 'panel_failed' },
    sounds() {
      const on = read('enable') === '1';
      if (on) heard.add(`${read('duty_cycle')} of ${read('period')}`);
      return on;
    },
    unplug: () => renameSync(chip, join(folder, 'unplugged')),
  });
  t.ok(heard.has('250000 of 500000'), '2 kHz, half of the time on');
  t.ok(heard.has('166667 of 333333'), '3 kHz');
  await t.rejects(beeper.open(), {
    message: 'there is no PWM of the device 1f00098000.pwm; devices: other.pwm',
    remedy: /dtoverlay=touchline-beeper-pwm/,
  });
});

t.test('a channel that has to be taken first is asked for, and waited for', async (t) => {
  const root = await tempFolder(t);
  const chip = join(root, 'pwmchip0');
  mkdirSync(chip);
  mkdirSync(join(root, 'a.pwm'));
  symlinkSync(join(root, 'a.pwm'), join(chip, 'device'));
  const opening = pwmBeeper({ device: 'a.pwm', channel: 1, clock, root }).open();
  await until(() => existsSync(join(chip, 'export')), 'the request for the channel');
  t.equal(readFileSync(join(chip, 'export'), 'utf8'), '1');
  mkdirSync(join(chip, 'pwm1'));
  await opening;
  t.equal(readFileSync(join(chip, 'pwm1/enable'), 'utf8'), '0', 'and silent');
  writeFileSync(join(chip, 'pwm1/enable'), '1');
  await t.rejects(pwmBeeper({ device: 'a.pwm', channel: 2, clock, root }).open(), {
    code: 'panel_failed',
    message: /a\.pwm channel 2: its files cannot be written/,
  });
});

t.test('a channel without a period gets one first: kernels refuse all else before', async (t) => {
  const root = await tempFolder(t);
  const channel = join(root, 'pwmchip0/pwm0');
  mkdirSync(channel, { recursive: true });
  mkdirSync(join(root, 'a.pwm'));
  symlinkSync(join(root, 'a.pwm'), join(root, 'pwmchip0/device'));
  writeFileSync(join(channel, 'period'), '0\n');
  await pwmBeeper({ device: 'a.pwm', channel: 0, clock, root }).open();
  t.ok(Number(readFileSync(join(channel, 'period'), 'utf8')) > 0);
  // A folder of that name takes no period.
  rmSync(join(channel, 'enable'));
  rmSync(join(channel, 'period'));
  mkdirSync(join(channel, 'period'));
  await t.rejects(pwmBeeper({ device: 'a.pwm', channel: 0, clock, root }).open(), { code: 'panel_failed' });
  t.notOk(existsSync(join(channel, 'enable')), 'nothing else is written before');
  writeFileSync(join(channel, 'enable'), '1\n');
  rmdirSync(join(channel, 'period'));
  writeFileSync(join(channel, 'period'), '250000\n');
  await pwmBeeper({ device: 'a.pwm', channel: 0, clock, root }).open();
  t.equal(readFileSync(join(channel, 'period'), 'utf8'), '250000\n', 'one that has a period keeps it');
  t.equal(readFileSync(join(channel, 'enable'), 'utf8'), '0', 'and is silenced');
});

t.test('a loudspeaker behaves like a beeper', async (t) => {
  const memory = memorySpeaker(clock);
  let sounding = false;
  /** What is heard of it now: its samples as time passes. */
  const speaker: Speaker = {
    async play(sound, atMonoUs, signal) {
      const fromUs = clock.monoUs();
      const stop = clock.every(5, 'listening', () => {
        const at = Math.round(((clock.monoUs() - fromUs) / 1e6) * sound.rateHz);
        sounding = sound.samples.subarray(at, at + 480).some((value) => Math.abs(value) > 0.1);
      });
      try {
        return await memory.play(sound, atMonoUs, signal);
      } finally {
        stop();
        sounding = false;
      }
    },
  };
  await beeperConformance(t, {
    ...{ ...time, gone: 'speaker_missing' },
    beeper: alsaBeeper({ speaker, clock }),
    sounds: () => sounding,
    unplug: () => memory.setPresent(false),
  });
});
