import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { ensurePrograms, whereIs } from '../../../cli/prerequisites.ts';
import type { Shell } from '../../../cli/shell.ts';

/** A machine whose PATH holds only `programs` and an apt-get that notes its arguments and runs `brings`. */
function machine(t: Test, options: { superuser: boolean; programs: string[]; brings?: string }) {
  const folder = t.testdir({});
  const bin = join(folder, 'bin');
  const log = join(folder, 'apt.log');
  mkdirSync(bin);
  const put = (name: string, body: string): void => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  for (const name of options.programs) put(name, '');
  if (options.brings !== undefined)
    put('apt-get', `echo "$@" >>${log}\necho from apt\n${options.brings.replaceAll('BIN', bin)}`);
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const shell: Shell = {
    env: { PATH: bin },
    cwd: folder,
    root: folder,
    node: process.execPath,
    superuser: options.superuser,
    stdin: new PassThrough(),
    stdout,
    stderr,
    exit: () => t.fail('no command may end here'),
  };
  return { shell, stdout, stderr, apt: () => (existsSync(log) ? readFileSync(log, 'utf8') : '') };
}

const BRINGS_FFMPEG =
  'case "$*" in *install*) for p in ffmpeg ffprobe; do echo >BIN/$p; /bin/chmod 755 BIN/$p; done;; esac';

t.test('what is there is not installed again', async (t: Test) => {
  const { shell, apt } = machine(t, { superuser: true, programs: ['ffmpeg', 'ffprobe'], brings: '' });
  await ensurePrograms(shell, ['ffmpeg', 'ffprobe']);
  t.equal(apt(), '');
  t.equal(whereIs('ffmpeg', shell.env), join(shell.env.PATH ?? '', 'ffmpeg'));
  t.equal(whereIs('curl', shell.env), undefined);
});

t.test(
  'root gets what is missing through apt, each package once, with its talk on stderr',
  async (t: Test) => {
    const { shell, stdout, stderr, apt } = machine(t, {
      superuser: true,
      programs: [],
      brings: BRINGS_FFMPEG,
    });
    await ensurePrograms(shell, ['ffmpeg', 'ffprobe']);
    t.match(apt(), /update\n.*install -y --no-install-recommends ffmpeg\n$/);
    t.equal(stdout.read(), null);
    t.match(String(stderr.read()), /installing ffmpeg with apt-get.*from apt/s);
  },
);

t.test('anybody else gets the one line to type', async (t: Test) => {
  const { shell, apt } = machine(t, { superuser: false, programs: ['ffmpeg'], brings: BRINGS_FFMPEG });
  await t.rejects(ensurePrograms(shell, ['ffmpeg', 'ffprobe', 'curl', 'mosquitto_pub', 'mosquitto_sub']), {
    code: 'program_missing',
    message: /^ffprobe, curl, .*Type: sudo apt-get install -y ffmpeg curl mosquitto-clients$/,
  });
  t.equal(apt(), '');
});

t.test('an apt that fails, or does not bring it, is said', async (t: Test) => {
  const failing = machine(t, { superuser: true, programs: [], brings: 'exit 100' });
  await t.rejects(ensurePrograms(failing.shell, ['curl']), {
    code: 'program_missing',
    message: /apt-get update failed \(100\)/,
  });
  const idle = machine(t, { superuser: true, programs: [], brings: '' });
  await t.rejects(ensurePrograms(idle.shell, ['curl']), {
    code: 'program_missing',
    message: /did not bring curl/,
  });
});
