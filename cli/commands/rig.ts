import { resolve } from 'node:path';
import { Command } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import { hashPin, newNetworkKey, newPin, newRigKey } from '#services/api/pin.ts';
import { askRig, type RigAnswers, readKeyFile, writeRig } from '../image/rig-init.ts';
import { onInterrupt } from '../interrupt.ts';
import { type Shell, say } from '../shell.ts';

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
    .summary('the secrets that the nodes of a rig share')
    .description(
      'Makes the secret by which the nodes of a rig show each other their pictures, and the key of the Wi-Fi that the rig opens where\n' +
        'there is no other; the same lines in the configuration of each.',
    )
    .action(
      () =>
        void shell.stdout.write(
          `api:\n  rig_key: "${newRigKey()}"\nnetwork:\n  access_point:\n    key: "${newNetworkKey()}"\n`,
        ),
    );
  return new Command('rig')
    .summary('describe a rig, and who may use it')
    .addCommand(initCommand(shell))
    .addCommand(pin)
    .addCommand(key);
}

interface InitOptions {
  file: string;
  rig?: string;
  module?: string;
  hardware?: string;
  wifi?: string;
  wifiKeyFile?: string;
  country?: string;
  central?: string;
  yes?: true;
}

function initCommand(shell: Shell): Command {
  return new Command('init')
    .summary('describe a rig: rig.yml and its secrets, for the images')
    .description(
      'Asks what a rig of three cameras is made of, then writes rig.yml, and beside it rig.secrets.yml with a new PIN, rig key and key of its\n' +
        'Wi-Fi. With --yes nothing is asked: what no flag says is left out. ./touchline image build makes the images of both.',
    )
    .option('--file <path>', 'where it goes', 'rig.yml')
    .option('--rig <id>', 'name of the rig: a-z, 0-9 and hyphens')
    .option('--module <name>', 'camera on the CSI connector: camera-module-3, hawkeye-64mp')
    .option('--hardware <list>', 'wired to each node: signals,beeper,beeper-pwm,ups-serial,ups-i2c,gnss')
    .option('--wifi <name>', 'Wi-Fi at home')
    .option('--wifi-key-file <path>', 'file with its key')
    .option('--country <code>', 'for the rules of the radio, such as CH')
    .option('--central <host>', 'address of the central server')
    .option('--yes', 'ask nothing')
    .addHelpText(
      'after',
      '\nExample:\n  ./touchline rig init --yes --rig home-ground --hardware signals,beeper --central 192.168.10.20',
    )
    .action(async (options: InitOptions) => {
      const given = await givenAnswers(shell, options);
      const interrupt = onInterrupt(shell);
      try {
        const answers = options.yes ? withDefaults(given) : await asked(shell, given, interrupt.signal);
        const written = await writeRig(resolve(shell.cwd, options.file), answers);
        say(shell, `touchline: wrote ${written.rigFile}, and ${written.secretsFile}, which is secret`);
        say(shell, 'Next: ./touchline image build --base IMAGE, with balenaOS for a Raspberry Pi 5.');
      } finally {
        interrupt.dispose();
      }
    });
}

async function givenAnswers(shell: Shell, options: InitOptions): Promise<Partial<RigAnswers>> {
  const { rig, module, hardware, wifi, wifiKeyFile, country, central } = options;
  if (wifiKeyFile !== undefined && wifi === undefined)
    throw new TouchlineError('invalid_field', '--wifi-key-file: say the name of the network, too', {
      field: 'wifi',
      remedy: 'Add --wifi NAME.',
    });
  return {
    ...(rig === undefined ? {} : { rig }),
    ...(module === undefined ? {} : { module }),
    ...(hardware === undefined ? {} : { hardware: hardware.split(',').filter((each) => each !== '') }),
    ...(wifi === undefined ? {} : { wifi }),
    ...(wifiKeyFile === undefined ? {} : { wifiKey: await readKeyFile(resolve(shell.cwd, wifiKeyFile)) }),
    ...(country === undefined ? {} : { country }),
    ...(central === undefined ? {} : { central }),
  };
}

function withDefaults(given: Partial<RigAnswers>): RigAnswers {
  if (given.rig === undefined)
    throw new TouchlineError('invalid_field', '--rig is missing: a rig needs a name', {
      field: 'rig',
      remedy: 'Add --rig home-ground, or leave --yes out to be asked.',
    });
  return {
    rig: given.rig,
    module: given.module ?? 'camera-module-3',
    hardware: given.hardware ?? [],
    wifi: given.wifi ?? '',
    wifiKey: given.wifiKey ?? '',
    country: given.country ?? '',
    central: given.central ?? '',
  };
}

async function asked(shell: Shell, given: Partial<RigAnswers>, signal: AbortSignal): Promise<RigAnswers> {
  if (!shell.stdin.isTTY)
    throw new TouchlineError('invalid_field', 'there is no terminal to ask on', {
      remedy: 'Say all by flags and add --yes; ./touchline help rig init lists them.',
    });
  return askRig(shell, given, signal);
}
