import type { NodeConfig } from '#contracts/node-config.ts';
import { alsaBeeper } from '#ports/beeper/alsa-beeper.ts';
import type { Beeper } from '#ports/beeper/beeper.ts';
import { gpioBeeper } from '#ports/beeper/gpio-beeper.ts';
import { pwmBeeper } from '#ports/beeper/pwm-beeper.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { characterDeviceGpio } from '#ports/gpio/character-device.ts';
import { alsaSpeaker } from '#ports/sound/alsa-speaker.ts';
import type { SignalsDeps } from './service.ts';

/** The real parts that the configuration of a node asks for. */
export function panelParts(config: NodeConfig, clock: Clock): Pick<SignalsDeps, 'gpio' | 'beeper'> {
  const { panel } = config.signals;
  return {
    gpio: panel === 'none' ? undefined : characterDeviceGpio({ consumer: 'touchline-signals' }),
    beeper: beeperOf(config, clock),
  };
}

function beeperOf({ signals }: NodeConfig, clock: Clock): Beeper | undefined {
  const { beeper, lines, pwm, alsa_device } = signals;
  switch (beeper) {
    case 'none':
      return undefined;
    case 'gpio':
      return gpioBeeper({
        gpio: characterDeviceGpio({ consumer: 'touchline-beeper' }),
        line: lines.beeper,
        clock,
      });
    case 'pwm':
      return pwmBeeper({ device: pwm.chip, channel: pwm.channel, clock });
    case 'alsa':
      return alsaBeeper({ speaker: alsaSpeaker({ device: alsa_device, clock }), clock });
  }
}
