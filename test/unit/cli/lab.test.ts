import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import t, { type Test } from 'tap';
import { LABS } from '../../../cli/commands/lab.ts';
import { NEEDS } from '../../../cli/prerequisites.ts';
import { runCommandLine } from '../../../cli/program.ts';

/** A checkout in which the labs are these programs, and a machine that has what they need. */
function checkout(t: Test, programs: Record<string, string>) {
  const root = t.testdir({ test: { lab: {} }, bin: {} });
  for (const name of NEEDS.lab) writeFileSync(join(root, 'bin', name), '', { mode: 0o755 });
  for (const [name, text] of Object.entries(programs))
    writeFileSync(join(root, 'test/lab', `${name}.ts`), text);
  return async (argv: string[], superuser = true) => {
    const [stdout, stderr] = [new PassThrough(), new PassThrough()];
    let code = 0;
    await runCommandLine(
      {
        env: { PATH: join(root, 'bin') },
        cwd: root,
        root,
        node: process.execPath,
        superuser,
        stdin: new PassThrough(),
        stdout,
        stderr,
        exit: (value) => {
          code = value;
        },
      },
      ['lab', ...argv],
    );
    return { out: String(stdout.read() ?? ''), err: String(stderr.read() ?? ''), code };
  };
}

const printing = (report: Record<string, unknown>): string => `
  process.stderr.write('round 1\\n');
  console.log(JSON.stringify({ ...${JSON.stringify(report)}, argv: process.argv.slice(2) }));
`;
const GOOD = { ok: true, seconds: 12.4, failures: [], rounds: 3, playable: 3, max_lost_sec: 0.5 };

/** Every lab of the table, as the same program. */
const all = (program: string): Record<string, string> =>
  Object.fromEntries(Object.keys(LABS).map((name) => [name, program]));

t.test('every lab of the table has its program', async (t) => {
  for (const name of Object.keys(LABS)) t.ok(existsSync(resolve('test/lab', `${name}.ts`)), name);
});

t.test('one lab: its object on stdout, its progress on stderr, its options passed on', async (t) => {
  const lab = checkout(t, all(printing(GOOD)));
  const { out, err, code } = await lab(['powercut', '--rounds', '7', '--seed', '5', '--json']);
  t.equal(code, 0);
  t.match(JSON.parse(out), { ...GOOD, argv: ['--json', '--rounds', '7', '--seed', '5'] });
  t.equal(err, 'round 1\n');
  const people = await lab(['powercut']);
  t.match(people.out, /^powercut +ok +rounds 3, playable 3, max_lost_sec 0\.5, .*\(12 s\)\n$/);
});

t.test(
  'without a name all run; the exit code is 1 when one fails or breaks, and the others still run',
  async (t) => {
    const names = Object.keys(LABS);
    const lab = checkout(t, all(printing(GOOD)));
    const good = await lab(['--json']);
    t.equal(good.code, 0);
    t.same(Object.keys(JSON.parse(good.out).labs), names);

    const failing = checkout(t, {
      ...all(printing(GOOD)),
      powercut: printing({ ...GOOD, ok: false, failures: ['round 2: 1.4 s were lost'] }),
    });
    const failed = await failing([]);
    t.equal(failed.code, 1);
    t.match(failed.out, /^powercut +FAILED .*; 1 failures, the first: round 2: 1\.4 s were lost$/m);
    t.equal(failed.out.trim().split('\n').length, names.length);

    const broken = await checkout(t, { ...all(printing(GOOD)), powercut: 'process.exit(3)' })(['--json']);
    t.equal(broken.code, 1);
    t.equal(JSON.parse(broken.out).labs.powercut, null);
    t.match(broken.err, /the lab powercut broke \(exit code 3\)/);
  },
);

t.test('what is wrong is said before anything is made', async (t) => {
  const lab = checkout(t, {});
  t.match(await lab(['powrcut']), { code: 1, out: '', err: /no lab is called powrcut; there are: powercut/ });
  t.match(await lab(['powercut', '--rounds', 'many']), { code: 1, err: /must be a whole number/ });
  t.match(await lab(['powercut'], false), { code: 1, out: '', err: /needs root.*sudo \.\/touchline lab/s });
});
