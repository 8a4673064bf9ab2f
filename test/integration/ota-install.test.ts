import { type SpawnSyncReturns, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { basename, join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { SERVICES } from '#contracts/ids.ts';
import { whereIs } from '../../cli/prerequisites.ts';
import { installedText, layFiles, startable } from '../fixtures/releases.ts';

const INSTALL = resolve('ota/install');
const UNITS = join(INSTALL, 'units');

/** An unpacked bundle with the real installer, units and guard. */
function layBundle(folder: string, version: string): string {
  layFiles(folder, version);
  writeFileSync(
    join(folder, 'release.json'),
    `${JSON.stringify(JSON.parse(installedText(version, 1)), null, 2)}\n`,
  );
  cpSync(INSTALL, join(folder, 'install'), { recursive: true });
  cpSync(resolve('docs/examples/node.yml'), join(folder, 'install/node.example.yml'));
  return folder;
}

function run(script: string, args: readonly string[], env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync('sh', [script, ...args], {
    env: { PATH: process.env.PATH, ...env },
    encoding: 'utf8',
  });
  return { status, said: `${stdout}${stderr}` };
}

t.test('the installer lays a node that starts, and again the next version', (t: Test) => {
  const folder = t.testdir({});
  const dest = join(folder, 'dest');
  const root = join(dest, 'opt/touchline');
  const config = join(folder, 'node.yml');
  writeFileSync(config, 'version: 1\n');
  const first = layBundle(join(folder, 'first'), '1.0.0');
  const installer = join(first, 'install/install.sh');
  t.match(run(installer, ['--config', config, '--key', 'ed25519:abc'], { DESTDIR: dest }), { status: 0 });
  t.equal(startable(root), '1.0.0');
  t.equal(readFileSync(join(dest, 'etc/touchline/node.yml'), 'utf8'), 'version: 1\n');
  t.equal(lstatSync(join(dest, 'etc/touchline/node.yml')).mode & 0o777, 0o640, 'not for everybody to read');
  t.equal(readFileSync(join(dest, 'etc/touchline/release-keys'), 'utf8'), 'ed25519:abc\n');
  const system = join(dest, 'etc/systemd/system');
  for (const name of SERVICES) {
    t.ok(existsSync(join(system, `touchline-${name}.service`)), name);
    const link = readlinkSync(join(system, `touchline.target.wants/touchline-${name}.service`));
    t.equal(link, `/etc/systemd/system/touchline-${name}.service`, 'where it will be, without the prefix');
  }
  t.ok(lstatSync(join(system, 'multi-user.target.wants/touchline.target')).isSymbolicLink());
  const guard = join(dest, 'usr/local/lib/touchline/guard.sh');
  t.match(run(guard, ['boot'], { TOUCHLINE_ROOT: root }), { status: 0, said: '' });

  const second = layBundle(join(folder, 'second'), '1.1.0');
  t.match(run(join(second, 'install/install.sh'), [], { DESTDIR: dest }), { status: 0 });
  t.equal(startable(root), '1.1.0');
  t.ok(existsSync(join(root, 'releases/1.0.0/release.json')), 'the version before is kept');
  t.equal(
    readFileSync(join(dest, 'etc/touchline/node.yml'), 'utf8'),
    'version: 1\n',
    'as is what is configured',
  );
  t.match(
    run(join(root, 'releases/1.1.0/install/install.sh'), [], { DESTDIR: dest }),
    { status: 0 },
    'in its place',
  );
  t.equal(startable(root), '1.1.0');
  t.end();
});

t.test('the installer says what is wrong', (t: Test) => {
  const folder = t.testdir({});
  const bundle = layBundle(join(folder, 'bundle'), '1.0.0');
  const installer = join(bundle, 'install/install.sh');
  const env = { DESTDIR: join(folder, 'dest') };
  t.match(run(installer, ['--frob'], env), { status: 1, said: /there is no option --frob/ });
  t.match(run(installer, ['--config', '/nowhere.yml'], env), {
    status: 1,
    said: /\/nowhere.yml cannot be read/,
  });
  t.match(run(installer, ['--key', 'abc'], env), { status: 1, said: /abc is no line/ });
  t.match(run(join(INSTALL, 'install.sh'), [], env), { status: 1, said: /no unpacked release.*Unpack/ });
  mkdirSync(join(env.DESTDIR, 'opt/touchline'), { recursive: true });
  writeFileSync(join(env.DESTDIR, 'opt/touchline/trial'), 'new 1.0.0\n');
  t.match(run(installer, [], env), { status: 1, said: /an update is on trial/ });
  t.end();
});

t.test('the guard undoes what does not prove itself, and nothing else', async (t: Test) => {
  const folder = t.testdir({});
  const root = join(folder, 'root');
  const trial = join(root, 'trial');
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  writeFileSync(join(bin, 'systemctl'), `#!/bin/sh\necho "$@" >>${folder}/asked\n`, { mode: 0o755 });
  const env = {
    PATH: `${bin}:${process.env.PATH}`,
    TOUCHLINE_ROOT: root,
    TOUCHLINE_UPDATE_LOCK: join(folder, 'lock'),
  };
  const guard = (how: string) => run(join(INSTALL, 'guard.sh'), [how], env);
  for (const version of ['1.0.0', '1.1.0']) layBundle(join(root, 'releases', version), version);
  const point = (version: string): void => {
    spawnSync('ln', ['-sfn', `releases/${version}`, join(root, 'current')]);
  };
  const begin = (): void => {
    point('1.1.0');
    writeFileSync(trial, 'new 1.1.0\nprevious 1.0.0\nboots 0\nchecks 0\nstarted 0\n');
  };

  begin();
  t.match(guard('boot'), { status: 0, said: '' });
  t.match(guard('boot'), { status: 0, said: '' });
  t.equal(startable(root), '1.1.0', 'two boots are bad luck');
  t.match(guard('boot'), { status: 0, said: /did not prove itself in 2 boots; back to 1.0.0/ });
  t.equal(startable(root), '1.0.0', 'the third goes back');
  t.match(readFileSync(trial, 'utf8'), /^failed it did not prove itself/m, 'and leaves word for the updater');

  begin();
  const { TOUCHLINE_UPDATE_LOCK: lock } = env;
  const held = async (owner: string): Promise<() => Promise<void>> => {
    writeFileSync(lock, JSON.stringify({ touchline: 'update-lock', owner, reason: 'test' }));
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; exec cat'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await once(holder.stdout, 'data');
    return async () => {
      holder.stdin.end();
      await once(holder, 'exit');
    };
  };
  const recorded = await held('recorder');
  for (let n = 0; n < 6; n++) t.match(guard('check'), { status: 0, said: /lock is held/ });
  t.equal(startable(root), '1.1.0', 'nothing is restarted under a recording');
  await recorded();
  t.match(guard('check'), { status: 0, said: '' }, 'what a recorder left that died holds nobody up');
  const hangs = await held('updater');
  for (let n = 0; n < 2; n++) t.match(guard('check'), { status: 0, said: '' });
  t.match(
    guard('check'),
    { status: 0, said: /updater did not confirm it/ },
    'nor does an updater that hangs',
  );
  await hangs();
  t.equal(startable(root), '1.0.0');
  t.equal(readFileSync(join(folder, 'asked'), 'utf8'), 'restart touchline.target\n');

  spawnSync('rm', [trial]);
  point('1.1.0');
  writeFileSync(join(root, 'releases/1.1.0/release.json'), '');
  t.match(guard('boot'), { status: 0, said: /1.1.0 is not whole.*starting 1.0.0/s });
  t.equal(startable(root), '1.0.0', 'a version that lost its bytes is not started');
  renameSync(join(root, 'releases/1.0.0'), join(root, 'releases/.old-1.0.0'));
  t.match(guard('boot'), { status: 0 });
  t.equal(startable(root), '1.0.0', 'what the installer had put aside when it was cut off comes back');
  writeFileSync(join(root, 'releases/1.0.0/release.json'), '');
  t.match(guard('boot'), { status: 1, said: /no version is whole.*install.sh/ });
  t.match(guard('frob'), { status: 2, said: /guard.sh boot/ });
});

t.test('each service has a unit that may do little', (t: Test) => {
  const units = globSync('touchline-*.service', { cwd: UNITS }).map((name) => basename(name, '.service'));
  const services = units.filter((name) => !name.startsWith('touchline-guard'));
  t.same(services.sort(), SERVICES.map((name) => `touchline-${name}`).sort());
  for (const name of units) {
    const text = readFileSync(join(UNITS, `${name}.service`), 'utf8');
    for (const line of ['NoNewPrivileges=yes', 'ProtectSystem=strict', 'ProtectHome=yes', 'PrivateTmp=yes'])
      t.ok(text.includes(`\n${line}\n`), `${name}: ${line}`);
    t.match(text, /\nCapabilityBoundingSet=/, `${name} says which rights it keeps`);
    if (name === 'touchline-updater')
      t.match(text, '\nUMask=0022\n', 'the others can read what it unpacks, and its lock');
    if (!services.includes(name) || name === 'touchline-updater') continue;
    t.match(text, '\nUser=touchline\n', `${name} is not root`);
    t.match(text, new RegExp(`services/${name.replace('touchline-', '')}\\.mjs `));
  }
  t.end();
});

t.test('systemd and the shell checker find nothing', (t: Test) => {
  const analyze = whereIs('systemd-analyze', process.env);
  const checker = whereIs('shellcheck', process.env);
  if (analyze !== undefined) {
    // The programs that the units start are not there on this machine; links to one that is are.
    const folder = t.testdir({});
    const programs = /\/(opt\/touchline\/current\/bin\/node|usr\/local\/lib\/touchline\/guard\.sh)/g;
    for (const name of globSync('*', { cwd: UNITS }))
      writeFileSync(
        join(folder, name),
        readFileSync(join(UNITS, name), 'utf8').replaceAll(programs, '/bin/sh'),
      );
    const files = globSync('*.{service,timer,target}', { cwd: folder }).map((name) => join(folder, name));
    const { stderr } = spawnSync(analyze, ['verify', ...files], { encoding: 'utf8' });
    const about = stderr.split('\n').filter((line) => line.includes('touchline'));
    t.same(about, [], 'systemd-analyze verify');
  }
  if (checker !== undefined)
    for (const script of globSync('*.sh', { cwd: INSTALL })) {
      const checked: SpawnSyncReturns<string> = spawnSync(checker, [join(INSTALL, script)], {
        encoding: 'utf8',
      });
      t.equal(checked.status, 0, checked.stdout);
    }
  t.end();
});
