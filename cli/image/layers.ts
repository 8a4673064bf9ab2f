import { readFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { FirmwareLayer, type RigCamera, RigDescription, RigSecrets } from '#contracts/rig-description.ts';
import { describedLayer } from '#domain/provisioning/device-files.ts';

/** Files that people write for the image tool: a rig, its secrets, and the layers of `firmware-config/`. */

export interface Rig {
  readonly description: RigDescription;
  readonly secrets: RigSecrets;
  /** Folder of rig.yml: paths in it start there. */
  readonly folder: string;
}

/** `rig.yml` → `rig.secrets.yml` beside it. */
export function secretsPathOf(rigFile: string): string {
  return `${rigFile.replace(/\.ya?ml$/, '')}.secrets.yml`;
}

/** Throws `configuration_invalid` with file, line and field. */
export async function readRig(rigFile: string): Promise<Rig> {
  const description = await readYaml(rigFile, RigDescription, '`./touchline rig init` makes one.');
  const secretsFile = secretsPathOf(rigFile);
  const secrets = await readYaml(
    secretsFile,
    RigSecrets,
    'It belongs beside rig.yml; `./touchline rig init` makes both.',
  );
  for (const { ssid } of secrets.home)
    if (!description.network.home.includes(ssid))
      throw new TouchlineError(
        'configuration_invalid',
        `${secretsFile}: home: ${ssid} is not in ${rigFile}`,
        {
          field: 'home',
          remedy: 'List the network under network.home in rig.yml, or take its key away.',
        },
      );
  return { description, secrets, folder: dirname(resolve(rigFile)) };
}

/**
 * The layers of one camera, the lowest first: base, mode, machine, what is wired, the rig's description and its own settings, the camera's
 * module and its own settings. `root` is the folder of the software.
 */
export async function layersOf(root: string, rig: Rig, camera: RigCamera): Promise<FirmwareLayer[]> {
  const { description, secrets } = rig;
  const names = [
    'base',
    `mode/${description.mode}`,
    `machine/${description.machine}`,
    ...description.hardware.map((name) => `hardware/${name}`),
  ];
  const files = await Promise.all(names.map((name) => readLayer(root, name)));
  return [
    ...files,
    describedLayer(description, camera, secrets),
    { layer: 'rig/own', ...description.firmware },
    await readLayer(root, `camera/${camera.module}`),
    { layer: `rig/${camera.camera_id.toLowerCase().replaceAll('_', '-')}`, ...camera.firmware },
  ];
}

async function readLayer(root: string, name: string): Promise<FirmwareLayer> {
  const path = join(root, 'firmware-config', `${name}.yml`);
  const layer = await readYaml(path, FirmwareLayer, 'It is a part of the software: install it again.');
  if (layer.layer !== name)
    throw new TouchlineError('configuration_invalid', `${path}: layer: must be ${name}`, { field: 'layer' });
  return layer;
}

async function readYaml<S extends z.ZodType>(file: string, schema: S, remedy: string): Promise<z.output<S>> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new TouchlineError('configuration_invalid', `${file}: cannot be read (${cause.code})`, {
      cause,
      remedy,
    });
  });
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true });
  const problem = document.errors[0];
  if (problem !== undefined)
    throw new TouchlineError(
      'configuration_invalid',
      `${file}:${lines.linePos(problem.pos[0]).line}: ${problem.message.split(' at line')[0]}`,
      { cause: problem, remedy },
    );
  return parseOrThrow(schema, document.toJS(), 'configuration_invalid', file);
}
