import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TouchlineError } from '#contracts/errors.ts';
import type { Shell } from '../shell.ts';
import { runTool } from './run-tool.ts';

/** Device-tree overlays of `overlays/`, compiled by `dtc`. */

/** Compiles one into `folder`. Throws `not_found` for one that has no source, `configuration_invalid` for what dtc refuses. */
export async function compileOverlay(
  shell: Pick<Shell, 'env' | 'root'>,
  name: string,
  folder: string,
): Promise<Buffer> {
  const source = join(shell.root, 'overlays', `${name}.dts`);
  if (!existsSync(source))
    throw new TouchlineError('not_found', `there is no overlay ${name}: ${source} does not exist`, {
      field: 'config_txt',
      remedy: 'Check the name behind dtoverlay; overlays/ has those of Touchline.',
    });
  const target = join(folder, `${name}.dtbo`);
  await runTool(shell, 'dtc', ['-@', '-I', 'dts', '-O', 'dtb', '-o', target, source], {
    failure: (stderr) => new TouchlineError('configuration_invalid', `${source}: ${stderr}`),
  });
  return readFile(target);
}
