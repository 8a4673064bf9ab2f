import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { NEEDS } from '../../../cli/prerequisites.ts';
import { runCommandLine } from '../../../cli/program.ts';

/** One command line in this process: what it wrote, and its exit code. */
async function run(argv: string[], options: { root?: string; env?: Record<string, string> } = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let code = 0;
  await runCommandLine(
    {
      env: options.env ?? {},
      cwd: process.cwd(),
      root: options.root ?? resolve('.'),
      node: process.execPath,
      superuser: false,
      stdin: new PassThrough(),
      stdout,
      stderr,
      exit: (value) => {
        code = value;
      },
    },
    argv,
  );
  return { out: String(stdout.read() ?? ''), err: String(stderr.read() ?? ''), code };
}

t.test('help names every command, and each has help of its own', async (t: Test) => {
  const { out, code } = await run(['help']);
  t.equal(code, 0);
  const commands = ['demo', 'test', 'lab', 'bench', 'node', 'server', 'config', 'build', 'check'];
  for (const command of commands) {
    t.match(out, new RegExp(`^  ${command}\\b`, 'm'));
    const help = await run(['help', command]);
    t.equal(help.code, 0, command);
    t.match(help.out, `Usage: touchline ${command}`);
  }
  t.equal((await run([])).out, out, 'no command is help, too');
  for (const [topics, usage] of [
    [['config', 'explain'], 'touchline config explain'],
    [['rig', 'pin'], 'touchline rig pin'],
    [['rig', 'key'], 'touchline rig key'],
  ] as const) {
    const help = await run(['help', ...topics]);
    t.equal(help.code, 0);
    t.match(help.out, `Usage: ${usage} [options]`);
    t.notMatch(help.out, /default: \[\]/);
  }
});

t.test('what is wrong is said on stderr, with a way out', async (t: Test) => {
  const unknown = await run(['dmeo']);
  t.equal(unknown.code, 1);
  t.equal(unknown.out, '');
  t.match(unknown.err, /Did you mean demo\?.*touchline help/s);
  const help = await run(['help', 'nosuch']);
  t.match(help, { code: 1, err: /there is no command 'nosuch'/, out: '' });
  t.match(await run(['help', 'rig', 'pni']), { code: 1, err: /there is no command 'rig pni'/, out: '' });
  t.match(await run(['demo', '--seconds', '5']), { code: 1, err: /--seconds needs --once/, out: '' });
  t.match(await run(['test', 'test/unit']), { code: 1, err: /^touchline: test\/unit is not a test file/ });
  t.match(await run(['test', 'none.test.ts']), { code: 1, err: /^touchline: there is no test file none/ });
  for (const refused of ['test/unit', 'none.test.ts'])
    t.notMatch((await run(['test', refused])).err, /\bat .*\.ts:\d+/, 'and not as a defect');
  t.match(await run(['demo', '--seconds', 'long']), { code: 1, err: /must be a number from 1/, out: '' });
  t.match(await run(['bench', '--rounds', '-1']), { code: 1, err: /must be a whole number/ });
  t.match(await run(['node', '--config', '/nowhere.yml']), {
    code: 1,
    err: /\/nowhere.yml: does not exist\nGive the path of a YAML file/,
  });
  t.match(await run(['demo', '--once'], { env: { PATH: '/nowhere' } }), {
    code: 1,
    err: /ffmpeg, ffprobe, cpfind: not installed. Type: sudo apt-get install -y ffmpeg hugin-tools/,
    out: '',
  });
});

t.test('config explain shows each value and its source', async (t: Test) => {
  const root = t.testdir({
    'node.yml': 'version: 1\nrig: demo\ncamera_id: CAM_L\nposition: left\ncamera:\n  source: test-pattern\n',
  });
  const file = join(root, 'node.yml');
  const text = await run(['config', 'explain', '--config', file, '--set', 'api.port=9'], {
    env: { TOUCHLINE_API__HOST: '::1' },
  });
  t.match(text, { code: 0, err: '' });
  t.match(text.out, `rig: demo\n    from file: ${file}:2\n    The rig this node belongs to\n`);
  t.match(text.out, 'api.port: 9\n    from flag: --set api.port=9\n');
  t.match(text.out, 'api.host: ::1\n    from env: TOUCHLINE_API__HOST\n');
  t.match(text.out, 'storage.path: /mnt/nvme\n    from default\n');
  const server = await run([
    'config',
    'explain',
    '--server',
    '--json',
    '--set',
    'version=1',
    '--set',
    'access=trusted-lan',
  ]);
  t.match(
    JSON.parse(server.out).settings.find(({ path }: { path: string }) => path === 'server.port'),
    { value: 8081, source: 'default' },
  );
});

t.test('config explain without a file tells what can be set and what has to be', async (t: Test) => {
  t.match(await run(['config', 'explain']), {
    code: 0,
    err: '',
    out: /^rig: \(needed\)\n {4}The rig.*^api\.port: 8080\n {4}from default\n {4}HTTP port$/ms,
  });
  t.match(await run(['config', 'explain', '--server']), { code: 0, out: /^server\.port: 8081$/m });
});

t.test('a reader that goes away is no failure', async (t: Test) => {
  const child = spawn(process.execPath, ['cli/main.ts', 'help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  t.equal(said, '');
  t.equal(code, 141, 'as shells count a closed pipe');
});

t.test('bench lists, runs with a seed, and fails when one does', async (t: Test) => {
  const root = t.testdir({ test: { bench: {} } });
  const put = (name: string, text: string): void => writeFileSync(join(root, 'test/bench', name), text);
  t.match(await run(['bench'], { root }), { out: 'There is nothing in test/bench yet.\n', code: 0 });

  put(
    'speed.ts',
    'export const about = "how fast"; export const run = async ({ seed, rounds, log }) => { log("hello"); return { seed, rounds: rounds ?? 3 }; };',
  );
  t.match(await run(['bench'], { root }), { out: /^speed {2}how fast\n/, code: 0 });
  t.match(await run(['bench', 'nothing'], { root }), {
    code: 1,
    err: /no bench is called nothing; there are: speed/,
  });

  const tools = join(root, 'bin');
  mkdirSync(tools);
  for (const name of NEEDS.bench) writeFileSync(join(tools, name), '', { mode: 0o755 });
  const env = { PATH: tools };
  const once = await run(['bench', 'speed', '--json', '--seed', '7', '--rounds', '5'], { root, env });
  t.match(JSON.parse(once.out), { seed: 7, rounds: 5, bench: { speed: { ok: true, seed: 7, rounds: 5 } } });
  t.match(once.err, /^seed 7\nspeed …\n {2}hello\n/);
  const chance = await run(['bench', 'all', '--json'], { root, env });
  t.match(chance.err, `seed ${JSON.parse(chance.out).seed}\n`, 'a seed of its own is printed');

  put(
    'broken.ts',
    'export const about = "x"; export const run = async () => { throw new Error("too slow"); };',
  );
  const all = await run(['bench', 'all', '--json'], { root, env });
  t.equal(all.code, 1);
  t.match(JSON.parse(all.out).bench, { broken: { ok: false, reason: 'too slow' }, speed: { ok: true } });
});
