import { glob, readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import { parseThrottled } from '#domain/health/throttled.ts';
import type { Machine } from './machine.ts';

export interface LinuxMachineOptions {
  readonly sysfs?: string;
  readonly procfs?: string;
  readonly processors?: number;
}

const KIB = 1024;

/** What Linux says: the firmware driver of the Raspberry Pi (raspberrypi-firmware), /proc/loadavg and /proc/meminfo (proc(5)). */
export function linuxMachine(options: LinuxMachineOptions = {}): Machine {
  const { sysfs = '/sys', procfs = '/proc', processors = availableParallelism() } = options;
  const text = (path: string): Promise<string> =>
    readFile(path, 'utf8').catch((error: unknown) => {
      throw new TouchlineError('sensor_failed', `${path} cannot be read: ${(error as Error).message}`, {
        cause: error,
      });
    });
  return {
    async throttled() {
      // `soc` on older kernels, `soc@107c000000` on those of the Pi 5.
      for await (const path of glob('devices/platform/soc*/soc*:firmware/get_throttled', { cwd: sysfs })) {
        const throttled = parseThrottled(await text(join(sysfs, path)));
        if (throttled) return throttled;
        throw new TouchlineError('sensor_failed', `${join(sysfs, path)} has no flags in it`);
      }
      throw new TouchlineError('sensor_failed', 'the firmware does not say whether it throttles', {
        field: 'sensors.throttling',
        remedy: 'Only a Raspberry Pi says it; elsewhere set sensors.throttling to none.',
      });
    },
    async load() {
      const [, minute] = /^(\d+\.\d+) /.exec(await text(join(procfs, 'loadavg'))) ?? [];
      if (minute === undefined) throw new TouchlineError('sensor_failed', '/proc/loadavg has no load in it');
      return Number(minute) / processors;
    },
    async memory() {
      const info = await text(join(procfs, 'meminfo'));
      const kib = (name: string): number => {
        const [, value] = new RegExp(`^${name}: +(\\d+) kB$`, 'm').exec(info) ?? [];
        if (value === undefined) throw new TouchlineError('sensor_failed', `/proc/meminfo has no ${name}`);
        return Number(value) * KIB;
      };
      return { availableBytes: kib('MemAvailable'), totalBytes: kib('MemTotal') };
    },
  };
}
