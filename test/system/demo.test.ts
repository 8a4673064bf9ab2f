import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';

// Also when the file is run by itself, where tap's own limit is shorter than this takes.
t.setTimeout(300_000);

/** `./touchline …` as a person starts it. `onLine` sees each line on stderr. */
async function touchline(args: string[], onLine?: (line: string, pid: number) => void) {
  const child = spawn(resolve('touchline'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    onLine?.(line, child.pid ?? 0);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { out, err: lines.join('\n'), code, signal };
}

t.test('Ctrl-C while recording ends everything, with the recordings finished', async (t: Test) => {
  const directory = join(t.testdir({}), 'demo');
  const { out, code, err } = await touchline(
    ['demo', '--once', '--seconds', '60', '--json', '--out', directory],
    (line, pid) => {
      if (!line.startsWith('recording ')) return;
      const look = setInterval(() => {
        const videos = globSync('nodes/*/recordings/*/*/*.mp4', { cwd: directory });
        if (videos.filter((video) => statSync(join(directory, video)).size > 100_000).length < 3) return;
        clearInterval(look);
        process.kill(pid, 'SIGINT');
      }, 50);
    },
  );
  t.equal(code, 130, err);
  t.equal(out, '');
  t.match(err, `Files and logs: ${directory}`);
  const videos = globSync('nodes/*/recordings/*/*/*.mp4', { cwd: directory });
  const manifests = globSync('nodes/*/manifests/*/*/*.json', { cwd: directory });
  t.equal(videos.length, 3);
  t.equal(manifests.length, 3, 'each has its manifest');
  const left = globSync('/proc/[0-9]*/cmdline').filter((file) => {
    try {
      return readFileSync(file, 'utf8').includes(directory);
    } catch {
      return false; // it ended while we looked
    }
  });
  t.same(left, [], 'nothing is left running');
});

t.test('a camera that cannot be is refused before anything starts', async (t: Test) => {
  const directory = join(t.testdir({}), 'demo');
  const { out, code, err } = await touchline([
    'demo',
    '--once',
    '--out',
    directory,
    '--source',
    'CAM_X=/none.mp4',
  ]);
  t.equal(code, 1);
  t.equal(out, '');
  t.match(err, /there is no such camera; the demo has CAM_L, CAM_C, CAM_R/);
  t.equal(statSync(directory, { throwIfNoEntry: false }), undefined);
});
