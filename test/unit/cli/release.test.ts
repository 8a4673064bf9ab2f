import { mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { PassThrough } from 'node:stream';
import t from 'tap';
import { runCommandLine } from '../../../cli/program.ts';
import { isNeeded, type LockFile, nativeLock } from '../../../cli/release/native-packages.ts';
import { billOfMaterials, licenceText, shippedPackages } from '../../../cli/release/papers.ts';

async function run(argv: string[], env: Record<string, string> = {}) {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  let code = 0;
  const shell = { env, cwd: resolve('.'), root: resolve('.'), node: process.execPath, superuser: false };
  const exit = (value: number): void => {
    code = value;
  };
  await runCommandLine({ ...shell, stdin: new PassThrough(), stdout, stderr, exit }, argv);
  return { out: String(stdout.read() ?? ''), err: String(stderr.read() ?? ''), code };
}

t.test('a key is made once, for its owner alone', async (t) => {
  const file = join(t.testdir({}), 'keys/club.key');
  const made = await run(['release', 'keygen', file]);
  t.match(made, { code: 0, out: /^ed25519:[\w-]{43}\n$/, err: /private key [0-9a-f]{16}/ });
  t.equal(statSync(file).mode & 0o777, 0o600);
  const text = readFileSync(file, 'utf8');
  t.match(await run(['release', 'keygen', file]), { code: 1, out: '', err: /EEXIST.*never written over/s });
  t.equal(readFileSync(file, 'utf8'), text);
});

t.test('what cannot become a release is refused before anything is built', async (t) => {
  const folder = t.testdir({ 'holiday.jpg': '', 'no.key': 'hello' });
  const out = join(folder, 'out');
  const build = (...args: string[]) =>
    run(['release', 'build', '--out', out, ...args], { SOURCE_DATE_EPOCH: '1767225600' });
  t.match(await build('--version', '9.9.9'), {
    code: 1,
    err: /the programs are version \d.*not 9.9.9\n.*package.json/,
  });
  t.match(await build('--version', 'new'), { code: 1, err: /must be a version such as/ });
  t.match(await build('--key', join(folder, 'no.key')), {
    code: 1,
    err: /not an Ed25519 private key\n.*keygen/,
  });
  t.match(await build('--key', join(folder, 'none')), { code: 1, err: /none cannot be read/ });
  t.match(await build('--counter', '-1'), { code: 1, err: /whole number/ });
  t.match(await build('--arch', 'vax'), { code: 1, err: /arm64, amd64/ });
  t.match(await run(['release', 'build', '--out', folder], { SOURCE_DATE_EPOCH: '1' }), {
    code: 1,
    err: /holiday.jpg, which is no file of a release/,
  });
  t.match(await run(['release', 'build', '--out', out], { SOURCE_DATE_EPOCH: 'now' }), {
    code: 1,
    err: /"now" is no number of seconds/,
  });
  t.match(await run(['release', 'serve', '--dir', join(folder, 'none')]), {
    code: 1,
    err: /there is no folder/,
  });
});

const lock: LockFile = {
  lockfileVersion: 3,
  packages: {
    '': {},
    'node_modules/a': { version: '1.0.0', dependencies: { b: '^1.0.0', c: '^2.0.0' } },
    'node_modules/a/node_modules/c': { version: '2.0.0' },
    'node_modules/b': {
      version: '1.0.0',
      optionalDependencies: { 'b-arm64': '1.0.0', 'b-x64': '1.0.0', 'b-musl': '1.0.0' },
    },
    'node_modules/b-arm64': { version: '1.0.0', os: ['linux'], cpu: ['arm64'] },
    'node_modules/b-x64': { version: '1.0.0', os: ['linux'], cpu: ['x64'] },
    'node_modules/b-musl': { version: '1.0.0', os: ['linux'], cpu: ['arm64'], libc: ['musl'] },
    'node_modules/c': { version: '1.0.0' },
    'node_modules/d': { version: '1.0.0' },
    'node_modules/node-arm64': { version: '24.0.0', os: 'linux', cpu: 'arm64' },
  },
};

t.test('the lock file is cut to what native packages need on the other machine', (t) => {
  const { lock: part, manifest } = nativeLock(lock, 'arm64', ['a', 'node-arm64']);
  t.same(Object.keys(part.packages).sort(), [
    '',
    'node_modules/a',
    'node_modules/a/node_modules/c',
    'node_modules/b',
    'node_modules/b-arm64',
    'node_modules/node-arm64',
  ]);
  t.same(part.packages['node_modules/b']?.optionalDependencies, { 'b-arm64': '1.0.0' });
  t.match(manifest, { dependencies: { a: '1.0.0' }, optionalDependencies: { 'node-arm64': '24.0.0' } });
  t.throws(() => nativeLock(lock, 'arm64', ['e']), /needs e, which has no entry/);
  const real = JSON.parse(readFileSync('package-lock.json', 'utf8')) as LockFile;
  for (const [architecture, cpu] of [
    ['arm64', 'arm64'],
    ['amd64', 'x64'],
  ] as const) {
    const paths = Object.keys(nativeLock(real, architecture).lock.packages);
    for (const name of [
      `node-linux-${cpu}`,
      `@koromix/koffi-linux-${cpu}`,
      'classic-level',
      '@serialport/bindings-cpp',
    ])
      t.ok(paths.includes(`node_modules/${name}`), `${architecture}: ${name}`);
    t.equal(paths.filter((path) => /win32|darwin|musl/.test(path)).length, 0);
  }
  const kept = [
    'node_modules/a/index.js',
    'node_modules/a/prebuilds/linux-arm64/a.node',
    'node_modules/debug/src/index.js',
    'node_modules/koffi/src/koffi/index.cjs',
  ];
  const left = [
    'node_modules/.bin/a',
    'node_modules/a/prebuilds/linux-x64/a.node',
    'node_modules/a/prebuilds/linux-arm64/a.musl.node',
    'node_modules/koffi/src/koffi/src/a.cc',
    'node_modules/a/README.md',
  ];
  t.same(
    [...kept, ...left].filter((path) => isNeeded(path, 'arm64')),
    kept,
  );
  t.end();
});

t.test('bill of materials and licences name what is shipped, the same each time', (t) => {
  const shipped = shippedPackages(lock, [
    'node_modules/d',
    'node_modules/a',
    'node_modules/a/node_modules/c',
    'node_modules/d',
  ]);
  t.same(
    shipped.map(({ name, version }) => `${name} ${version}`),
    ['a 1.0.0', 'c 2.0.0', 'd 1.0.0'],
  );
  const ofNpm = (serial: string, refs: string[]) =>
    JSON.stringify({
      bomFormat: 'CycloneDX',
      serialNumber: serial,
      metadata: { timestamp: serial, component: { 'bom-ref': 'touchline@0.1.0', name: 'folder' } },
      components: refs.map((ref) => ({ 'bom-ref': ref, scope: 'optional', properties: ['development'] })),
      dependencies: ['touchline@0.1.0', ...refs].map((ref) => ({ ref, dependsOn: refs })),
    });
  const product = { version: '0.1.0-rc.1', atSec: 1_767_225_600 };
  const text = billOfMaterials(ofNpm('one', ['d@1.0.0', 'a@1.0.0', 'b@1.0.0', 'c@2.0.0']), shipped, product);
  t.equal(
    text,
    billOfMaterials(ofNpm('two', ['a@1.0.0', 'b@1.0.0', 'c@2.0.0', 'd@1.0.0']), shipped, product),
  );
  t.match(JSON.parse(text), {
    serialNumber: /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    metadata: {
      timestamp: '2026-01-01T00:00:00.000Z',
      component: { name: 'touchline', version: '0.1.0-rc.1' },
    },
    components: [
      { 'bom-ref': 'a@1.0.0', scope: 'required', properties: [] },
      { 'bom-ref': 'c@2.0.0' },
      { 'bom-ref': 'd@1.0.0' },
    ],
    dependencies: [
      { ref: 'a@1.0.0', dependsOn: ['a@1.0.0', 'c@2.0.0', 'd@1.0.0'] },
      {},
      {},
      { ref: 'touchline@0.1.0-rc.1' },
    ],
  });
  t.notMatch(text, 'b@1.0.0', 'what is not in the bundles is not in the bill');
  t.throws(() => billOfMaterials(ofNpm('one', ['a@1.0.0']), shipped, product), /does not know c@2.0.0/);

  const root = t.testdir({});
  for (const path of ['node_modules/a', 'node_modules/a/node_modules/c', 'node_modules/d']) {
    mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, path, 'package.json'), '{"license":"MIT"}');
    if (path !== 'node_modules/d') writeFileSync(join(root, path, 'LICENSE.md'), `licence of ${path}`);
  }
  const licences = licenceText('our own', shipped, ['/nowhere', root]);
  t.match(
    licences,
    /our own.*a 1.0.0 \(MIT\).*licence of node_modules\/a\n.*c 2.0.0.*d 1.0.0.*brings no text/s,
  );
  t.throws(() => licenceText('our own', shipped, ['/nowhere']), /a is shipped and not installed/);
  t.end();
});
