import t, { type Test } from 'tap';
import { ReleaseManifest, ReleaseVersion } from '#contracts/release.ts';
import { acceptRelease, type NodeSituation } from '#domain/release/accept.ts';
import { compareVersions } from '#domain/release/version.ts';

t.test('versions are in the order of their specification', (t: Test) => {
  // Semantic Versioning 2.0.0, section 11.
  const ordered = [
    '0.9.0',
    '1.0.0-alpha',
    '1.0.0-alpha.1',
    '1.0.0-alpha.beta',
    '1.0.0-beta',
    '1.0.0-beta.2',
    '1.0.0-beta.11',
    '1.0.0-rc.1',
    '1.0.0',
    '1.2.0',
    '1.10.0',
    '2.0.0',
  ];
  for (const [n, version] of ordered.entries()) {
    t.ok(ReleaseVersion.safeParse(version).success, version);
    for (const [m, other] of ordered.entries())
      t.equal(Math.sign(compareVersions(version, other)), Math.sign(n - m), `${version} and ${other}`);
  }
  for (const wrong of ['1.0', '01.0.0', '1.0.0-', '1.0.0+build', '../1.0.0', '1.0.0/..', 'v1.0.0', ''])
    t.notOk(ReleaseVersion.safeParse(wrong).success, wrong);
  t.end();
});

const sha256 = 'a'.repeat(64);
const manifest = (more: Record<string, unknown> = {}) =>
  ReleaseManifest.parse({
    format: 1,
    product: 'touchline',
    version: '1.1.0',
    counter: 5,
    released_at: '2026-01-01T00:00:00Z',
    expires_at: '2027-01-01T00:00:00Z',
    minimum_version: '1.0.0',
    files: [{ name: 'a.tar.gz', architecture: 'arm64', sha256, size_bytes: 1, unpacked_bytes: 2 }],
    ...more,
  });
const node: NodeSituation = {
  architecture: 'arm64',
  nowUs: Date.UTC(2026, 5, 1) * 1000,
  running: '1.0.0',
  highest: { counter: 4, version: '1.0.0' },
};

t.test('a release is taken or refused by name', (t: Test) => {
  t.match(acceptRelease(manifest(), node), { name: 'a.tar.gz' });
  t.ok(acceptRelease(manifest(), { ...node, highest: undefined }), 'a new node has seen none');
  t.ok(
    acceptRelease(manifest(), { ...node, highest: { counter: 5, version: '1.1.0' } }),
    'the same one again',
  );
  t.ok(
    acceptRelease(manifest({ version: '0.9.0', minimum_version: '0.1.0' }), node),
    'who makes releases can go back by a higher counter',
  );
  const refused = (code: string, field: string, more: object, at: Partial<NodeSituation> = {}): void =>
    void t.throws(() => acceptRelease(manifest({ ...more }), { ...node, ...at }), { code, field });
  refused('foreign_release', 'product', { product: 'offside' });
  refused('foreign_release', 'files', {}, { architecture: 'amd64' });
  refused('release_older', 'counter', { counter: 3 });
  refused('release_older', 'counter', {}, { highest: { counter: 5, version: '1.1.1' } });
  refused('release_expired', 'expires_at', {}, { nowUs: Date.UTC(2027, 0, 1) * 1000 });
  refused('release_skips_version', 'minimum_version', {}, { running: '1.0.0-rc.1' });
  t.throws(() => manifest({ files: [{ name: '../a', sha256, size_bytes: 1 }] }), 'a file is no path');
  t.end();
});
