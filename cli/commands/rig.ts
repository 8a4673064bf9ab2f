import { Command } from 'commander';
import { hashPin, newPin, newRigKey } from '#services/api/pin.ts';
import type { Shell } from '../shell.ts';

interface PinOptions {
  viewer?: true;
  json?: true;
}

export function rigCommand(shell: Shell): Command {
  const pin = new Command('pin')
    .summary('a new PIN, and the line for the configuration of each node')
    .description(
      'Makes a PIN of eight digits for the dashboard and prints it once, with the hash that goes into the configuration of every\n' +
        'node of the rig beside `access: pin`. Nothing is written anywhere.',
    )
    .option('--viewer', 'a PIN for those who only look')
    .option('--json', 'one JSON object on stdout')
    .action(async ({ viewer, json }: PinOptions) => {
      const made = newPin();
      const hash = await hashPin(made);
      const setting = viewer ? 'viewer_pin_hash' : 'pin_hash';
      shell.stdout.write(
        json
          ? `${JSON.stringify({ pin: made, setting: `api.${setting}`, hash })}\n`
          : `PIN ${made.slice(0, 4)} ${made.slice(4)}\n\naccess: pin\napi:\n  host: 0.0.0.0\n  ${setting}: "${hash}"\n`,
      );
    });
  const key = new Command('key')
    .summary('a secret that the nodes of a rig share')
    .description(
      'Makes the secret by which the nodes of a rig show each other their pictures; the same line in the configuration of each.',
    )
    .action(() => void shell.stdout.write(`api:\n  rig_key: "${newRigKey()}"\n`));
  return new Command('rig').summary('who may use the rig').addCommand(pin).addCommand(key);
}
