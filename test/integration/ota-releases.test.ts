import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { createReleaseChannel, type ReleaseChannelParts } from '#ota/channel-releases/channel.ts';
import { httpReleaseFeed } from '#ota/channel-releases/feed.ts';
import { nodeHealth } from '#ota/channel-releases/node-health.ts';
import type { Applied, MayApply } from '#ota/channel-releases/outcomes.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { localInstallDisk } from '#ports/install-disk/local-install-disk.ts';
import { systemdUnits } from '#ports/units/systemd-units.ts';
import { createReleaseServer } from '../../cli/release/serve.ts';
import {
  folderFeed,
  layNode,
  makeRelease,
  newPair,
  RELEASED_AT_SEC,
  startable,
} from '../fixtures/releases.ts';

const BUNDLE = 'touchline-1.1.0-linux-amd64.tar.gz';
const pair = newPair();
const good = await makeRelease(t.testdir({}), { version: '1.1.0', counter: 2 }, [pair]);

/** A node on which 1.0.0 runs, and a copy of the good release that a test may spoil. */
function place(t: Test) {
  const folder = t.testdir({});
  const root = join(folder, 'node');
  const release = join(folder, 'release');
  layNode(root, '1.0.0', 1);
  cpSync(good, release, { recursive: true });
  return { folder, root, release };
}

interface Said {
  restarted: string[][];
  own: string[];
}

function channelOn(root: string, more: Partial<ReleaseChannelParts> & Pick<ReleaseChannelParts, 'feed'>) {
  const said: Said = { restarted: [], own: [] };
  const channel = createReleaseChannel({
    root,
    disk: localInstallDisk(),
    trusted: [pair.publicKey],
    architecture: 'amd64',
    clock: manualClock(RELEASED_AT_SEC * 1e6),
    units: {
      restart: async (names) => void said.restarted.push([...names]),
      restartOwn: async (name) => void said.own.push(name),
      notRunning: async () => [],
    },
    services: ['touchline-recorder.service'],
    isHealthy: async () => ({ healthy: true }),
    mayApply: async () => ({ allowed: true, release: () => undefined }),
    ...more,
  });
  return { channel, said };
}

t.test('what is not to be trusted is refused by name, and nothing is changed', async (t) => {
  const refused = async (
    name: string,
    code: string,
    message: RegExp,
    spoil: (release: string) => unknown,
    more: Partial<ReleaseChannelParts> = {},
  ): Promise<void> => {
    await t.test(name, async (t) => {
      const { root, release } = place(t);
      const remade = await spoil(release);
      const spoilt = typeof remade === 'string' ? remade : release;
      const { channel, said } = channelOn(root, { feed: folderFeed(spoilt), ...more });
      const update = async (): Promise<Applied> => {
        await channel.stage();
        return channel.apply();
      };
      await t.rejects(update(), { name: 'TouchlineError', code, message });
      t.equal(startable(root), '1.0.0');
      t.notOk(existsSync(join(root, 'releases/1.1.0')));
      t.same(said, { restarted: [], own: [] });
    });
  };
  const edit = (path: string, from: string, to: string): void =>
    writeFileSync(path, readFileSync(path, 'utf8').replace(from, to));

  await refused('no signature', 'signature_wrong', /not signed/, (r) =>
    renameSync(join(r, 'SHA256SUMS.sig'), `${r}.sig`),
  );
  await refused(
    'another key',
    'signature_wrong',
    /signed by [0-9a-f]{16}; trusted: [0-9a-f]{16}/,
    () => undefined,
    {
      trusted: [newPair().publicKey],
    },
  );
  await refused('checksums that were changed', 'signature_wrong', /changed after they were signed/, (r) =>
    appendFileSync(join(r, 'SHA256SUMS'), `${'0'.repeat(64)}  more\n`),
  );
  await refused('a manifest that was changed', 'checksum_wrong', /manifest.json is not the one/, (r) =>
    edit(join(r, 'manifest.json'), '"counter": 2', '"counter": 9'),
  );
  await refused('a bundle that was changed', 'checksum_wrong', /another SHA-256/, (r) => {
    const bytes = readFileSync(join(r, BUNDLE));
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    writeFileSync(join(r, BUNDLE), bytes);
  });
  await refused('a bundle that is too long', 'checksum_wrong', /signed are/, (r) =>
    appendFileSync(join(r, BUNDLE), 'x'),
  );
  await refused('a bundle without its end', 'release_truncated', /has only 100 bytes/, (r) =>
    truncateSync(join(r, BUNDLE), 100),
  );
  await refused('no bundle', 'release_truncated', /no touchline/, (r) =>
    renameSync(join(r, BUNDLE), `${r}.gz`),
  );
  await refused('one for another processor', 'foreign_release', /no bundle for arm64/, () => undefined, {
    architecture: 'arm64',
  });
  const remade = (facts: Parameters<typeof makeRelease>[1]) => (release: string) =>
    makeRelease(`${release}-remade`, facts, [pair]);
  await refused(
    'one that expired',
    'release_expired',
    /expired on 2025/,
    remade({
      version: '1.1.0',
      counter: 2,
      expiresAtSec: RELEASED_AT_SEC - 1,
    }),
  );
  await refused(
    'one for later versions',
    'release_skips_version',
    /needs at least 1.0.5, 1.0.0 runs/,
    remade({
      version: '1.1.0',
      counter: 2,
      minimumVersion: '1.0.5',
    }),
  );
  await refused(
    'the counter of what runs, and another version',
    'release_older',
    /1.0.0 with counter 1 was seen/,
    remade({
      version: '1.1.0',
      counter: 1,
    }),
  );
});

t.test(
  'an older release is refused though it was signed, also when the newer one was only seen',
  async (t) => {
    const { folder, root, release } = place(t);
    const { channel } = channelOn(root, { feed: folderFeed(release) });
    t.match(await channel.check(), { manifest: { version: '1.1.0' }, failedBefore: undefined });
    const older = await makeRelease(join(folder, 'older'), { version: '1.0.9', counter: 1 }, [pair]);
    const replayed = channelOn(root, { feed: folderFeed(older) });
    await t.rejects(replayed.channel.check(), { code: 'release_older', message: /1.1.0 with counter 2/ });
    const old = await makeRelease(
      join(folder, 'expired'),
      { version: '1.2.0', counter: 3, expiresAtSec: RELEASED_AT_SEC },
      [pair],
    );
    const lost = channelOn(root, { feed: folderFeed(old), clock: manualClock(0) });
    t.match(
      await lost.channel.check(),
      { manifest: { version: '1.2.0' } },
      'a clock at zero does not know better',
    );
    t.throws(() => channelOn(root, { feed: folderFeed(release), trusted: [] }), {
      code: 'configuration_invalid',
    });
  },
);

t.test('an update from the release server, by HTTP, and back on demand', async (t) => {
  const { folder, root, release } = place(t);
  const unsigned = await makeRelease(join(folder, 'unsigned'), { version: '9.0.0', counter: 9 }, []);
  mkdirSync(join(folder, 'served'));
  cpSync(release, join(folder, 'served/one'), { recursive: true });
  cpSync(unsigned, join(folder, 'served/two'), { recursive: true });
  const server = createReleaseServer({
    folder: join(folder, 'served'),
    host: '127.0.0.1',
    port: 0,
    log: pino({ level: 'silent' }),
  });
  await server.start(new AbortController().signal);
  t.teardown(() => server.stop());
  const address = `${server.address()}/repos/club/touchline`;
  const first = await fetch(`${address}/releases/latest`);
  t.match(
    await first.json(),
    { tag_name: 'v1.1.0', draft: false, prerelease: false },
    'what is not signed is not offered',
  );
  const etag = first.headers.get('etag') ?? '';
  t.equal((await fetch(`${address}/releases/latest`, { headers: { 'if-none-match': etag } })).status, 304);
  t.equal((await fetch(`${address}/releases/tags/v9.0.0`)).status, 404);

  const progress: number[] = [];
  const { channel, said } = channelOn(root, {
    feed: httpReleaseFeed(address),
    ownUnit: 'touchline-updater.service',
    keepVersions: 2,
  });
  t.match(await channel.stage(undefined, (done) => progress.push(done)), { manifest: { version: '1.1.0' } });
  t.ok((progress.at(-1) ?? 0) > 0);
  t.match(await channel.staged(), { manifest: { version: '1.1.0' } });
  t.match(await channel.apply(), { outcome: 'handing_over', version: '1.1.0', previous: '1.0.0' });
  t.same(said, { restarted: [['touchline-recorder.service']], own: ['touchline-updater.service'] });
  t.equal(startable(root), '1.1.0');
  t.ok(existsSync(join(root, 'trial')), 'until the updater of the new version says so');
  t.match(await channel.settle(), { outcome: 'applied', version: '1.1.0' });
  t.equal(said.restarted.length, 1, 'what was started from it is not started again');
  t.notOk(existsSync(join(root, 'trial')));
  t.equal(await channel.settle(), undefined);
  t.equal(await channel.check(), undefined, 'it runs');

  t.match(await channel.switchTo('1.0.0'), { outcome: 'handing_over', version: '1.0.0' });
  t.match(await channel.settle(), { outcome: 'applied' });
  t.match(await channel.installed(), [
    { version: '1.1.0', current: false },
    { version: '1.0.0', current: true },
  ]);
  await t.rejects(channel.switchTo('1.0.0'), { code: 'conflict' });
  await t.rejects(channel.switchTo('7.0.0'), { code: 'not_found' });
});

t.test('while the update lock is held everything is fetched and nothing is touched', async (t) => {
  const { root, release } = place(t);
  let held = true;
  let released = 0;
  const mayApply: MayApply = async () =>
    held ? { allowed: false, reason: 'CAM_L records' } : { allowed: true, release: () => void released++ };
  const { channel, said } = channelOn(root, { feed: folderFeed(release), mayApply });
  await channel.stage();
  t.same(await channel.apply(), { outcome: 'waiting', version: '1.1.0', reason: 'CAM_L records' });
  t.equal(startable(root), '1.0.0');
  t.same(said.restarted, []);
  held = false;
  t.match(await channel.apply(), { outcome: 'applied' });
  t.equal(released, 2, 'each permission is given back');
  t.equal(startable(root), '1.1.0');
});

t.test('a version that does not get healthy is undone, and remembered', async (t) => {
  const { root, release } = place(t);
  const { channel, said } = channelOn(root, {
    feed: folderFeed(release),
    isHealthy: async () => ({ healthy: false, reason: 'the broker does not answer' }),
  });
  await channel.stage();
  t.match(await channel.apply(), {
    outcome: 'rolled_back',
    previous: '1.0.0',
    reason: 'the broker does not answer',
  });
  t.equal(startable(root), '1.0.0');
  t.equal(said.restarted.length, 2, 'the old version is started again');
  t.match(await channel.check(), { failedBefore: 'the broker does not answer' });
  t.match(await channel.installed(), [
    { version: '1.1.0', failed: /broker/ },
    { version: '1.0.0', current: true },
  ]);
  t.match(await channelOn(root, { feed: folderFeed(release) }).channel.switchTo('1.1.0'), {
    outcome: 'applied',
  });
  t.match(
    await channel.installed(),
    [{ version: '1.1.0', failed: undefined, current: true }, {}],
    'once it works it is forgiven',
  );
});

t.test('a download goes on where it broke off', async (t) => {
  const { root, release } = place(t);
  const bytes = readFileSync(join(release, BUNDLE));
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    const name = request.url?.slice(1) ?? '';
    if (name !== BUNDLE) return void response.end(readFileSync(join(release, name)));
    asked.push(request.headers.range);
    const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
    response.writeHead(from > 0 ? 206 : 200, {
      'content-length': bytes.length - from,
      ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
    });
    // The first two connections break after 100 bytes each.
    if (asked.length > 2) return void response.end(bytes.subarray(from));
    response.write(bytes.subarray(from, from + 100), () => setTimeout(() => response.destroy(), 20));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const offline = folderFeed(release);
  const latest = async () => {
    const found = await offline.latest();
    return (
      found && {
        ...found,
        assets: found.assets.map((each) => ({ ...each, browser_download_url: `${base}/${each.name}` })),
      }
    );
  };
  const clock = manualClock(RELEASED_AT_SEC * 1e6);
  const impatient = { ...clock, sleepUntil: async () => undefined };
  const { channel } = channelOn(root, { feed: { ...httpReleaseFeed(base), latest }, clock: impatient });
  t.match(await channel.stage(), { manifest: { version: '1.1.0' } });
  t.same(asked, [undefined, 'bytes=100-', 'bytes=200-']);
  t.equal(
    createHash('sha256')
      .update(readFileSync(join(root, 'staging', BUNDLE)))
      .digest('hex'),
    createHash('sha256').update(bytes).digest('hex'),
  );
  writeFileSync(join(root, 'staging', `${BUNDLE}.part`), 'the beginning of something else');
  renameSync(join(root, 'staging', BUNDLE), join(root, 'staging', 'away'));
  await channel.stage();
  t.same(asked.slice(3), ['bytes=31-', undefined], 'a wrong beginning is thrown away, once');
  const nowhere = channelOn(root, { feed: httpReleaseFeed('http://127.0.0.1:9/repos/a/b') });
  await t.rejects(nowhere.channel.check(), { code: 'feed_unreachable', message: /ECONNREFUSED|bad port/ });
});

t.test('the same contents give the same bytes', async (t) => {
  const folder = t.testdir({});
  const names = ['SHA256SUMS', 'SHA256SUMS.sig', 'manifest.json', BUNDLE];
  const again = await makeRelease(folder, { version: '1.1.0', counter: 2 }, [pair]);
  for (const name of names)
    t.ok(readFileSync(join(again, name)).equals(readFileSync(join(good, name))), name);
  const bundle = readFileSync(join(again, BUNDLE));
  t.same([...bundle.subarray(4, 8), bundle[9]], [0, 0, 0, 0, 255], 'gzip names neither time nor system');
  const { stdout } = spawnSync('tar', ['--numeric-owner', '--utc', '-tvzf', join(again, BUNDLE)], {
    encoding: 'utf8',
  });
  t.match(
    stdout,
    /^-rwxr-xr-x 0\/0 +\d+ 2026-01-01 00:00 bin\/node\n-rw-r--r-- 0\/0 +\d+ 2026-01-01 00:00 release.json\n/,
  );
  const check = spawnSync('sha256sum', ['--check', '--strict', 'SHA256SUMS'], {
    cwd: again,
    encoding: 'utf8',
  });
  t.match(check, { status: 0, stdout: /manifest.json: OK/ }, 'and sha256sum reads the checksums');
});

t.test('systemctl is asked for what is meant', async (t) => {
  const folder = t.testdir({});
  const asked = join(folder, 'asked');
  const systemctl = join(folder, 'systemctl');
  const say = (lines: string, code: number): void =>
    writeFileSync(
      systemctl,
      `#!/bin/sh\necho "$@" >>${asked}\n[ "$1" = reset-failed ] && exit 1\n${lines}\nexit ${code}\n`,
      { mode: 0o755 },
    );
  const units = systemdUnits(systemctl);
  say('', 0);
  await units.restart(['a.service', 'b.service']);
  await units.restartOwn('c.service');
  t.equal(
    readFileSync(asked, 'utf8'),
    'reset-failed a.service b.service\nrestart a.service b.service\n--no-block restart c.service\n',
  );
  say('echo active; echo failed', 3);
  t.same(await units.notRunning(['a.service', 'b.service']), [{ name: 'b.service', state: 'failed' }]);
  say('echo "Unit a.service is masked." >&2', 1);
  await t.rejects(units.restart(['a.service']), {
    code: 'services_not_restarted',
    message: /a.service.*masked/,
  });
  await t.rejects(units.notRunning(['a.service', 'b.service']), { code: 'services_not_restarted' });
  await t.rejects(systemdUnits(join(folder, 'none')).restart(['a']), { code: 'program_missing' });
});

t.test('a node is healthy when all units run and its HTTP answers, for a while', async (t) => {
  let broker = false;
  let answers = 0;
  const server = createServer((_request, response) => {
    answers++;
    response.end(JSON.stringify({ status: 'healthy', broker }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => server.close());
  let down: { name: string; state: string }[] = [];
  const healthy = nodeHealth({
    units: {
      restart: async () => undefined,
      restartOwn: async () => undefined,
      notRunning: async () => down,
    },
    services: ['a.service'],
    api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    clock: systemClock(),
    limits: { patienceMs: 60, steadyMs: 40, everyMs: 5, answerMs: 5000 },
  });
  t.match(await healthy('1.1.0'), {
    healthy: false,
    reason: /1.1.0 is not healthy after 0.06 s: the broker does not answer/,
  });
  broker = true;
  const before = answers;
  t.same(await healthy('1.1.0'), { healthy: true });
  t.ok(answers > before + 1, 'asked more than once');
  down = [{ name: 'a.service', state: 'failed' }];
  t.match(await healthy('1.1.0'), { healthy: false, reason: /a.service is failed/ });
});
