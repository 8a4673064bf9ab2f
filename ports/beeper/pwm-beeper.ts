import { readdir, readFile, readlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Beeper } from './beeper.ts';

const NS_PER_SEC = 1e9;
/** udev gives the files of a channel to their group after they appear. */
const EXPORT_LIMIT_US = 1_000_000;
const EXPORT_LOOK_US = 20_000;
const FIRST_PERIOD_NS = 500_000;

/**
 * A beeper that gets its tone from a PWM channel, by the kernel's files (`/sys/class/pwm`). The chip is found by the device behind it: its
 * number is another one after the next update of the kernel.
 */
export function pwmBeeper(options: {
  /** Name of the device, such as `1f00098000.pwm`. */
  readonly device: string;
  readonly channel: number;
  readonly clock: Clock;
  readonly root?: string;
}): Beeper {
  const { device, channel, clock, root = '/sys/class/pwm' } = options;
  let folder: string | undefined;

  const open = async (): Promise<void> => {
    const chip = join(root, await chipOf(root, device));
    const own = join(chip, `pwm${channel}`);
    if (!(await readdir(chip)).includes(`pwm${channel}`))
      await writeFile(join(chip, 'export'), String(channel)).catch((cause: unknown) => {
        throw failed(device, channel, `channel ${channel} cannot be taken`, cause);
      });
    const deadlineUs = clock.monoUs() + EXPORT_LIMIT_US;
    for (;;) {
      try {
        // Before 6.11 the kernel refuses to switch a channel whose period is 0, as it is at first, on or off.
        const period = await readFile(join(own, 'period'), 'utf8').catch(() => '0');
        if (Number(period) === 0) await writeFile(join(own, 'period'), String(FIRST_PERIOD_NS));
        await writeFile(join(own, 'enable'), '0');
        break;
      } catch (cause) {
        if (clock.monoUs() > deadlineUs) throw failed(device, channel, 'its files cannot be written', cause);
        await clock.sleepUntil(clock.monoUs() + EXPORT_LOOK_US, 'the files of the PWM channel');
      }
    }
    folder = own;
  };

  return {
    async open() {
      if (folder === undefined) await open();
    },
    async play(notes, signal) {
      const own = folder;
      if (own === undefined) throw failed(device, channel, 'it is not open');
      const write = (name: string, value: number): Promise<void> =>
        writeFile(join(own, name), String(value)).catch((cause: unknown) => {
          folder = undefined;
          throw failed(device, channel, `${name} cannot be set`, cause);
        });
      let untilUs = clock.monoUs();
      try {
        for (const { hz, ms } of notes) {
          if (hz === null) await write('enable', 0);
          else {
            const periodNs = Math.round(NS_PER_SEC / hz);
            // The kernel refuses a period that is shorter than what is on of it.
            await write('duty_cycle', 0);
            await write('period', periodNs);
            await write('duty_cycle', Math.round(periodNs / 2));
            await write('enable', 1);
          }
          untilUs += ms * 1000;
          await clock.sleepUntil(untilUs, 'the next note', signal);
        }
      } finally {
        if (folder !== undefined) await write('enable', 0);
      }
    },
    async close() {
      const own = folder;
      folder = undefined;
      if (own === undefined) return;
      await writeFile(join(own, 'enable'), '0');
      await writeFile(join(own, '..', 'unexport'), String(channel));
    },
  };
}

async function chipOf(root: string, device: string): Promise<string> {
  const chips = await readdir(root).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const devices: string[] = [];
  for (const chip of chips.filter((name) => /^pwmchip\d+$/.test(name)).sort()) {
    const behind = basename(await readlink(join(root, chip, 'device')));
    if (behind === device) return chip;
    devices.push(behind);
  }
  throw new TouchlineError(
    'panel_failed',
    `there is no PWM of the device ${device}; devices: ${devices.join(', ') || 'none'}`,
    {
      details: { device, devices },
      remedy:
        'Load an overlay that switches the PWM on (dtoverlay=touchline-beeper-pwm), or correct signals.pwm.chip.',
    },
  );
}

function failed(device: string, channel: number, why: string, cause?: unknown): TouchlineError {
  return new TouchlineError('panel_failed', `PWM ${device} channel ${channel}: ${why}`, {
    cause,
    remedy: 'See whether another program has the channel, and whether this one may write its files.',
  });
}
