import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { type SupervisedChild, superviseChild } from '../../cli/demo/child.ts';
import { readSources } from '../../cli/demo/sources.ts';

const WAIT_MS = 60_000;

async function until(what: string, is: () => boolean): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!is()) {
    if (performance.now() > deadline) throw new Error(`waited for ${what}`);
    await sleep(20);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

t.test('what is given as a camera is checked before anything starts', async (t: Test) => {
  const folder = t.testdir({ 'text.mp4': 'not a video' });
  const made = spawnSync('ffmpeg', [
    '-v',
    'error',
    '-f',
    'lavfi',
    '-i',
    'testsrc2=size=320x240:rate=10',
    '-t',
    '1',
    join(folder, 'film.mp4'),
  ]);
  t.equal(made.status, 0, String(made.stderr));
  const { signal } = new AbortController();
  const read = (...texts: string[]) => readSources(texts, folder, signal);
  t.same(
    [...(await read('CAM_L=film.mp4', `CAM_R=${join(folder, 'film.mp4')}`))],
    [
      ['CAM_L', join(folder, 'film.mp4')],
      ['CAM_R', join(folder, 'film.mp4')],
    ],
  );
  await t.rejects(read('film.mp4'), { code: 'invalid_field', message: /must look like CAM_L=FILE/ });
  await t.rejects(read('CAM_L='), { code: 'invalid_field', message: /must look like/ });
  await t.rejects(read('CAM_X=film.mp4'), {
    code: 'invalid_field',
    message: /no such camera.*CAM_L, CAM_C, CAM_R/,
  });
  await t.rejects(read('CAM_L=film.mp4', 'CAM_L=film.mp4'), {
    code: 'invalid_field',
    message: /CAM_L has a file already/,
  });
  await t.rejects(read('CAM_L=none.mp4'), { code: 'not_found', message: /there is no file .*none\.mp4/ });
  await t.rejects(read('CAM_L=.'), { code: 'not_found' });
  await t.rejects(read('CAM_L=text.mp4'), { code: 'source_not_video', message: /text\.mp4/ });
});

t.test('a child that ends is started again, and says why it ended', async (t: Test) => {
  const folder = t.testdir({});
  const changes: string[] = [];
  const child: SupervisedChild = superviseChild(
    {
      name: 'x',
      command: process.execPath,
      args: ['-e', `console.error('{"level":60,"msg":"no camera"}'); if (!process.argv[1]) process.exit(3)`],
      env: process.env,
      logFile: join(folder, 'x.log'),
    },
    (each) => changes.push(each.state),
  );
  child.start();
  await until('two restarts', () => child.restarts >= 2);
  t.same(changes.slice(0, 2), ['waiting to start again', 'running']);
  t.equal(child.lastEnd, 'exit code 3: no camera');
  await child.stop();
  t.equal(child.state, 'stopped');
});

t.test(
  'stopping waits for the child, and kills one that does not listen with all it started',
  async (t: Test) => {
    const folder = t.testdir({});
    const polite = join(folder, 'polite');
    const child = superviseChild(
      {
        name: 'polite',
        command: process.execPath,
        args: [
          '-e',
          `process.on('SIGTERM', () => setTimeout(() => { require('fs').writeFileSync('${polite}', 'bye'); process.exit() }, 300)); process.stdin.resume(); console.log('up')`,
        ],
        env: process.env,
        logFile: join(folder, 'polite.log'),
      },
      () => t.fail('it did not end by itself'),
    );
    child.start();
    await until('the child to be up', () => readFileSync(child.logFile, 'utf8').includes('up'));
    await child.stop();
    t.equal(readFileSync(polite, 'utf8'), 'bye');
  },
);

t.test('when the demo itself is killed, its children end', async (t: Test) => {
  const folder = t.testdir({});
  const log = join(folder, 'child.log');
  const parent = join(folder, 'parent.ts');
  writeFileSync(
    parent,
    `import { superviseChild } from '${join(process.cwd(), 'cli/demo/child.ts')}';
superviseChild({ name: 'x', command: process.execPath, env: process.env, logFile: '${log}', args: ['-e', "process.stdin.resume().on('end', () => process.exit()); console.log(process.pid)"] }, () => undefined).start();
setInterval(() => undefined, 1000);`,
  );
  const demo = spawn(process.execPath, [parent], { stdio: 'inherit' });
  await until('the child to be up', () => existsSync(log) && /^\d+\n/.test(readFileSync(log, 'utf8')));
  const pid = Number(readFileSync(log, 'utf8'));
  t.ok(isAlive(pid));
  demo.kill('SIGKILL');
  await once(demo, 'close');
  await until('the child to end', () => !isAlive(pid));
  t.notOk(isAlive(pid));
});
