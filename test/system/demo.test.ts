import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { stripVTControlCharacters } from 'node:util';
import t, { type Test } from 'tap';

// Also when the file is run by itself, where tap's own limit is shorter than this takes.
t.setTimeout(600_000);

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

/**
 * The demo in a terminal of 80 columns and 24 rows. `temp` is where its temporary files go, which is not below the test's own folder: the
 * path of a Unix socket is short.
 */
function inTerminal(temp: string) {
  const line = `stty cols 80 rows 24; exec ${resolve('touchline')} demo`;
  const terminal = spawn('script', ['--quiet', '--return', '--command', line, '/dev/null'], {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, TMPDIR: temp, TERM: 'xterm' },
  });
  let shown = '';
  terminal.stdout.setEncoding('utf8').on('data', (text: string) => {
    shown += text;
  });
  return {
    terminal,
    lines: () => stripVTControlCharacters(shown).split(/\r?\n/),
    /** Waits until it was shown. */
    async see(what: RegExp): Promise<void> {
      while (!what.test(stripVTControlCharacters(shown))) {
        if (terminal.exitCode !== null) throw new Error(`the demo ended before ${what}: ${shown}`);
        await sleep(100);
      }
    },
  };
}

function temporary(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'tl-test-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

t.test(
  'in a terminal: nothing wraps at 80 columns, and what came of it is told at the end',
  async (t: Test) => {
    const temp = temporary(t);
    const { terminal, lines, see } = inTerminal(temp);
    t.teardown(() => terminal.kill('SIGKILL'));
    await see(/CAM_R {2}idle/);
    terminal.stdin.write('s');
    await see(/CAM_R {2}recording +00:(0[4-9]|[1-5]\d)/);
    terminal.stdin.write('x');
    await see(/^panorama \d+x\d+/m);
    const ended = once(terminal, 'close');
    terminal.stdin.write('q');
    const [code] = (await ended) as [number];
    t.equal(code, 0);
    const all = lines();
    const live = all.slice(all.findIndex((line) => line.startsWith('camera state')));
    const told = live.findIndex((line) => line.startsWith('stopping'));
    t.same(
      live.slice(0, told).filter((line) => line.length > 79),
      [],
      'no line of the live view is wider',
    );
    for (const page of [/^Dashboard \(any node\) {2}http:\S+$/, /^Console \(central\) {5}http:\S+$/])
      t.ok(all.filter((line) => page.test(line)).length > 1, `before the view and in it: ${page}`);
    const [folder = ''] = readdirSync(temp);
    const directory = join(temp, folder);
    const video =
      globSync('central/sessions/*/stitched/panorama.mp4', { cwd: directory })[0] ?? 'no panorama';
    const end = all.slice(all.findIndex((line) => line.startsWith('stopping')));
    t.ok(end.includes(`  ${join(directory, video)}`), `the panorama is named: ${end.join('\n')}`);
    t.match(end.join('\n'), /panorama \d+x\d+, calibrated \([\d.]+ px rms/);
    t.ok(end.includes(`Files and logs: ${directory}`), 'and the directory that stays');
  },
);

t.test('a terminal that hangs up leaves no process and no file behind', async (t: Test) => {
  const temp = temporary(t);
  const { terminal, see } = inTerminal(temp);
  await see(/CAM_R {2}idle/);
  t.ok(readdirSync(temp).length >= 2, 'a directory and a folder of sockets');
  terminal.kill('SIGKILL');
  while (readdirSync(temp).length > 0) await sleep(100);
  const left = globSync('/proc/[0-9]*/cmdline').filter((file) => {
    try {
      return readFileSync(file, 'utf8').includes(temp);
    } catch {
      return false; // it ended while we looked
    }
  });
  t.same(left, []);
});
