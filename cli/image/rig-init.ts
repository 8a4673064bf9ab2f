import { open, readFile } from 'node:fs/promises';
import { isCancel, multiselect, password, select, text } from '@clack/prompts';
import { stringify } from 'yaml';
import type { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { CameraModule, Hardware, RigDescription, RigSecrets } from '#contracts/rig-description.ts';
import { hashPin, newNetworkKey, newPin, newRigKey } from '#services/api/pin.ts';
import { Interrupted } from '../interrupt.ts';
import type { Shell } from '../shell.ts';
import { secretsPathOf } from './layers.ts';

/** What a rig has to be asked, before its images can be made. */
export interface RigAnswers {
  readonly rig: string;
  readonly module: string;
  readonly hardware: readonly string[];
  /** Empty: no network but the rig's own. */
  readonly wifi: string;
  /** Empty: an open network. */
  readonly wifiKey: string;
  readonly country: string;
  readonly central: string;
}

const CAMERAS = [
  { camera_id: 'CAM_L', position: 'left' },
  { camera_id: 'CAM_C', position: 'center' },
  { camera_id: 'CAM_R', position: 'right' },
] as const;

/**
 * Writes `rig.yml`, and beside it the secrets of the rig, new and readable for their owner alone. Throws `conflict` when one of them is there
 * already: the secrets of a rig whose images exist must not vanish.
 */
export async function writeRig(
  rigFile: string,
  answers: RigAnswers,
): Promise<{ readonly rigFile: string; readonly secretsFile: string }> {
  const home = answers.wifi === '' ? [] : [answers.wifi];
  const rig = {
    version: 1,
    rig: answers.rig,
    mode: 'production',
    machine: 'raspberrypi5',
    hardware: [...answers.hardware],
    master: 'CAM_C',
    // A device of the fleet is added per camera: `balena: CAM_L.config.json`.
    cameras: CAMERAS.map((camera) => ({ ...camera, module: answers.module })),
    network: { ...(answers.country === '' ? {} : { country: answers.country }), home },
    ...(answers.central === '' ? {} : { central: { host: answers.central } }),
  };
  parseOrThrow(RigDescription, rig, 'invalid_field', 'the rig');
  const pin = newPin();
  const secrets = {
    version: 1,
    pin,
    pin_hash: await hashPin(pin),
    rig_key: newRigKey(),
    access_point_key: newNetworkKey(),
    home: home.length === 0 || answers.wifiKey === '' ? [] : [{ ssid: answers.wifi, key: answers.wifiKey }],
  };
  parseOrThrow(RigSecrets, secrets, 'invalid_field', 'the secrets of the rig');
  const secretsFile = secretsPathOf(rigFile);
  await writeNew(
    secretsFile,
    0o600,
    `# Secrets of the rig ${answers.rig}. Keep them: images made later need the same. Never share or commit this file.\n${stringify(secrets)}`,
  );
  await writeNew(
    rigFile,
    0o644,
    `# The rig, for ./touchline image build. To join a fleet, give each camera its own file: "balena: CAM_L.config.json"\n# (docs/provisioning.md). Other settings: firmware, for the rig or for one camera.\n${stringify(rig)}`,
  );
  return { rigFile, secretsFile };
}

async function writeNew(path: string, mode: number, content: string): Promise<void> {
  const handle = await open(path, 'wx', mode).catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError(
      cause.code === 'EEXIST' ? 'conflict' : 'invalid_field',
      cause.code === 'EEXIST' ? `${path} is there already` : `${path}: cannot be written (${cause.code})`,
      { cause, field: 'out', remedy: 'Edit it, or name another file with --file.' },
    );
  });
  try {
    await handle.writeFile(content);
  } finally {
    await handle.close();
  }
}

/** Asks on the terminal for what the flags have not said. */
export async function askRig(
  shell: Shell,
  given: Partial<RigAnswers>,
  signal: AbortSignal,
): Promise<RigAnswers> {
  const streams = { input: shell.stdin, output: shell.stderr, signal };
  const needs = (schema: z.ZodType) => (value: string | undefined) =>
    schema.safeParse(value ?? '').error?.issues[0]?.message;
  const rig =
    given.rig ??
    answered(
      await text({
        ...streams,
        message: 'What is the rig called?',
        placeholder: 'home-ground',
        validate: needs(RigDescription.shape.rig),
      }),
    );
  const module =
    given.module ??
    answered(
      await select({
        ...streams,
        message: 'Which cameras are on the CSI connector?',
        options: CameraModule.options.map((value) => ({ value: value as string, label: value })),
      }),
    );
  const hardware =
    given.hardware ??
    answered(
      await multiselect({
        ...streams,
        message: 'What is wired to each node? (space chooses)',
        options: Hardware.options.map((value) => ({ value: value as string, label: value })),
        required: false,
      }),
    );
  const ask = async (message: string, placeholder: string): Promise<string> =>
    answered(await text({ ...streams, message, placeholder, defaultValue: '' })) ?? '';
  const wifi = given.wifi ?? (await ask('Name of the Wi-Fi at home? (empty: none)', ''));
  const wifiKey =
    given.wifiKey ??
    (wifi === ''
      ? ''
      : (answered(await password({ ...streams, message: `Key of ${wifi}? (empty: open)` })) ?? ''));
  const country = given.country ?? (await ask('Country, for the rules of the radio? (empty: none)', 'CH'));
  const central =
    given.central ?? (await ask('Address of the central server? (empty: none)', '192.168.10.20'));
  return { rig, module, hardware, wifi, wifiKey, country, central };
}

function answered<T>(value: T): Exclude<T, symbol> {
  if (isCancel(value)) throw new Interrupted('SIGINT');
  return value as Exclude<T, symbol>;
}

/** The key of a network, from a file: on the command line everybody on the machine could read it. */
export async function readKeyFile(path: string): Promise<string> {
  const content = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError('invalid_field', `${path}: cannot be read (${cause.code})`, {
      cause,
      field: 'wifi-key-file',
    });
  });
  return content.replace(/\r?\n$/, '');
}
