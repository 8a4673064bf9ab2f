import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync } from 'node:fs';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from './cache.ts';
import { run, runLoudly } from './run.ts';

const ROOT = join(import.meta.dirname, '../../..');
const SOURCES = join(import.meta.dirname, '../kernel');

/** A User-Mode Linux kernel and the folder of its modules (`modules/VERSION/`). */
export interface Kernel {
  readonly linux: string;
  readonly modules: string;
}

/**
 * The lab's kernel: from the cache, else from prebuilt parts of the same configuration (`TOUCHLINE_LAB_PREBUILT`, or
 * `shared/lab` beside the checkout), else built from Debian's source.
 */
export async function labKernel(log: (line: string) => void): Promise<Kernel> {
  const config = join(SOURCES, 'kernel.config');
  const hash = createHash('sha256').update(readFileSync(config)).digest('hex').slice(0, 12);
  const folder = await cached(`kernel-${hash}`, log, async (making) => {
    const prebuilt = process.env.TOUCHLINE_LAB_PREBUILT || join(ROOT, '../shared/lab');
    const [linux] = globSync('linux.uml.xz', { cwd: prebuilt });
    const [modules] = globSync('modules-*.tar.xz', { cwd: prebuilt });
    if (linux && modules && isOf(prebuilt, config)) {
      log(`unpacking the kernel in ${prebuilt} …`);
      await run('sh', ['-c', 'xz -dc "$1" >"$2"', 'sh', join(prebuilt, linux), join(making, 'linux.uml')]);
      await chmod(join(making, 'linux.uml'), 0o755);
      mkdirSync(join(making, 'modules'));
      await run('tar', ['xf', join(prebuilt, modules), '-C', join(making, 'modules')]);
      return;
    }
    log('building the kernel from Debian’s source, once: about 20 minutes on two cores …');
    await runLoudly('sh', [join(SOURCES, 'build.sh'), config, making]);
  });
  return { linux: join(folder, 'linux.uml'), modules: join(folder, 'modules') };
}

/** Parts made with another configuration lack what a job needs, which would show only there. */
function isOf(prebuilt: string, config: string): boolean {
  const [theirs] = globSync('kernel.config', { cwd: prebuilt });
  return theirs !== undefined && readFileSync(join(prebuilt, theirs)).equals(readFileSync(config));
}
