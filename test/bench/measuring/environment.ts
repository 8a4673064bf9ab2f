import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { arch, cpus, loadavg, release, tmpdir, totalmem } from 'node:os';

/** What the figures depend on. Goes into the result of every benchmark. */
export function environment(): Record<string, unknown> {
  return {
    date: new Date().toISOString(),
    cores: cpus().length,
    cpu: `${arch()} ${cpus()[0]?.model ?? 'unknown'}`,
    memory_gib: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    ffmpeg: firstLine('ffmpeg', '-version'),
    temp_folder: `${tmpdir()} (${fileSystemOf(tmpdir())})`,
    // Above the number of cores something else was running: not a quiet machine.
    load_1min_before: Math.round((loadavg()[0] ?? 0) * 100) / 100,
  };
}

/** First line that a program prints about its version. */
export function firstLine(program: string, argument: string): string {
  return execFileSync(program, [argument], { encoding: 'utf8' }).split('\n')[0] ?? '';
}

/** Kind of the file system that holds a folder: a disk in memory gives other figures than a disk. */
function fileSystemOf(folder: string): string {
  const mounts = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, at = '']) => at === '/' || folder === at || folder.startsWith(`${at}/`));
  mounts.sort(([, a = ''], [, b = '']) => b.length - a.length);
  return mounts[0]?.[2] ?? 'unknown';
}
