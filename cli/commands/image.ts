import { resolve } from 'node:path';
import { text as askText, confirm as askYesNo, isCancel } from '@clack/prompts';
import { Command } from 'commander';
import { TouchlineError } from '#contracts/errors.ts';
import type { TargetDisk } from '../image/block-devices.ts';
import { buildImages } from '../image/build.ts';
import { flashImage } from '../image/flash.ts';
import { inspectImage, inspectionText } from '../image/inspect.ts';
import { Interrupted, onInterrupt } from '../interrupt.ts';
import { ensurePrograms, NEEDS } from '../prerequisites.ts';
import type { Shell } from '../shell.ts';

interface BuildOptions {
  base: string;
  rig: string;
  out: string;
  camera?: string[];
  json?: true;
}

export function imageCommand(shell: Shell): Command {
  const at = (path: string): string => resolve(shell.cwd, path);
  const build = new Command('build')
    .summary('one image per camera of a rig')
    .description(
      'Makes an image for each camera from a balenaOS image (.img, .img.gz, .img.xz or .zip) and rig.yml, with a block map, a checksum, the\n' +
        "sheet for its box and the device's variables beside it. The same input gives the same bytes. Images and sheets hold secrets.",
    )
    .requiredOption('--base <image>', 'balenaOS for the machine of the rig, as downloaded')
    .option('--rig <file>', 'the rig; ./touchline rig init makes one', 'rig.yml')
    .option('--out <folder>', 'where images go', 'images')
    .option('--camera <id>', 'only this camera; as often as needed', (id: string, ids: string[] = []) => [
      ...ids,
      id,
    ])
    .option('--json', 'one JSON object on stdout')
    .addHelpText(
      'after',
      '\nExample:\n  ./touchline image build --base balena.img.zip --rig rig.yml --out images',
    )
    .action(async ({ base, rig, out, camera, json }: BuildOptions) => {
      await ensurePrograms(shell, NEEDS.image);
      const interrupt = onInterrupt(shell);
      try {
        const images = await buildImages(shell, {
          base: at(base),
          rigFile: at(rig),
          out: at(out),
          cameras: camera,
          signal: interrupt.signal,
        });
        if (json) shell.stdout.write(`${JSON.stringify({ images }, undefined, 2)}\n`);
      } finally {
        interrupt.dispose();
      }
    });

  const inspect = new Command('inspect')
    .summary('what is in an image, and where each value came from')
    .description('Reads an image and changes nothing. Secrets are not shown.')
    .argument('<image>')
    .option('--json', 'one JSON object on stdout')
    .action(async (image: string, { json }: { json?: true }) => {
      const found = await inspectImage(at(image));
      shell.stdout.write(json ? `${JSON.stringify(found, undefined, 2)}\n` : inspectionText(found));
    });

  const flash = new Command('flash')
    .summary('write an image to a card or disk')
    .description(
      'Erases the disk, writes the image and reads it back. Asks twice: the second time for the name of the disk. Refuses a disk that is\n' +
        'mounted or that this system runs from.',
    )
    .argument('<image>')
    .requiredOption('--device <path>', 'a whole disk, such as /dev/sdb')
    .option('--erase <path>', 'for scripts: the same name once more, instead of both questions')
    .action(async (image: string, { device, erase }: { device: string; erase?: string }) => {
      await ensurePrograms(shell, ['lsblk']);
      const interrupt = onInterrupt(shell);
      try {
        await flashImage(shell, {
          image: at(image),
          device,
          signal: interrupt.signal,
          confirm: async (disk) => erase ?? askTwice(shell, disk, interrupt.signal),
        });
      } finally {
        interrupt.dispose();
      }
    });

  return new Command('image')
    .summary('images for the cameras of a rig: build, inspect, flash')
    .addCommand(build)
    .addCommand(inspect)
    .addCommand(flash);
}

async function askTwice(shell: Shell, disk: TargetDisk, signal: AbortSignal): Promise<string> {
  if (!shell.stdin.isTTY)
    throw new TouchlineError('flash_refused', 'there is no terminal to ask on: nothing was written', {
      field: 'device',
      remedy: `In a script, name the disk once more: --erase ${disk.path}`,
    });
  const streams = { input: shell.stdin, output: shell.stderr, signal };
  const sure = await askYesNo({
    ...streams,
    message: `Erase all of ${disk.path} (${disk.title})?`,
    initialValue: false,
  });
  if (isCancel(sure)) throw new Interrupted('SIGINT');
  if (!sure) return '';
  const typed = await askText({ ...streams, message: `Type ${disk.path} to erase it` });
  if (isCancel(typed)) throw new Interrupted('SIGINT');
  return typed ?? '';
}
