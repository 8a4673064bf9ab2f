import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  globSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { createReleaseChannel, type ReleaseChannel } from '#ota/channel-releases/channel.ts';
import { manualClock } from '#ports/clock/manual-clock.ts';
import type { InstallDisk } from '#ports/install-disk/install-disk.ts';
import { localInstallDisk } from '#ports/install-disk/local-install-disk.ts';
import { type Loss, PowerCut, powerCutDisk } from '../fixtures/power-cut-disk.ts';
import {
  folderFeed,
  installedText,
  layFiles,
  layNode,
  makeRelease,
  newPair,
  RELEASED_AT_SEC,
  startable,
} from '../fixtures/releases.ts';

const GUARD = resolve('ota/install/guard.sh');
const OLD = '1.0.0';
const NEW = '1.1.0';
const LOSSES: Loss[] = ['names-lost', 'names-kept'];

const pair = newPair();
const release = await makeRelease(t.testdir({}), { version: NEW, counter: 2 }, [pair]);

function channelOn(root: string, disk: InstallDisk, bad: readonly string[] = []) {
  return createReleaseChannel({
    root,
    disk,
    feed: folderFeed(release),
    trusted: [pair.publicKey],
    architecture: 'amd64',
    clock: manualClock(RELEASED_AT_SEC * 1e6),
    units: { restart: async () => undefined, restartOwn: async () => undefined, notRunning: async () => [] },
    services: ['touchline-recorder.service'],
    // What would be started has to be whole, or nothing gets healthy.
    isHealthy: async (version) =>
      startable(root) === version && !bad.includes(version)
        ? { healthy: true }
        : { healthy: false, reason: 'it is a bad one' },
    mayApply: async () => ({ allowed: true, release: () => undefined }),
  });
}

/** The guard as systemd runs it before the services; what it says when it fails. */
function boot(root: string): string {
  const { status, stdout, stderr } = spawnSync('sh', [GUARD, 'boot'], {
    env: { PATH: process.env.PATH, TOUCHLINE_ROOT: root },
    encoding: 'utf8',
  });
  return status === 0 ? '' : `${status} ${stdout}${stderr}`;
}

/** All that the guard looks at, as one text. */
function guarded(root: string): string {
  const hash = createHash('sha256').update(readlinkSync(join(root, 'current')));
  const trial = join(root, 'trial');
  if (existsSync(trial)) hash.update(readFileSync(trial));
  for (const path of globSync('releases/[!.]*/**', { cwd: root }).sort()) {
    const entry = lstatSync(join(root, path));
    hash.update(`${path} ${entry.mode}\n`).update(entry.isFile() ? readFileSync(join(root, path)) : '');
  }
  return hash.digest('hex');
}

/** Folders in memory where there are such: thousands of syncs, and no disk is what is tested. */
const parent = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'touchline-power-cut-'));
t.teardown(() => rmSync(parent, { recursive: true, force: true }));

/** Runs an update with the power failing before every step of it, one after another. */
async function cutEverywhere(
  t: Test,
  bad: readonly string[],
  template: string,
  update: (channel: ReleaseChannel) => Promise<unknown>,
  after: (t: Test, root: string, what: string) => Promise<void>,
): Promise<{ steps: number; started: Set<string> }> {
  const folder = `${template}-cut`;
  /** States that the guard leaves as they are; asked once, it does the same again. */
  const settled = new Set<string>();
  const started = new Set<string>();
  let steps = 0;
  for (let cutBefore = 0; ; cutBefore++) {
    let finished = false;
    for (const loss of LOSSES) {
      const what = `cut before step ${cutBefore}, ${loss}`;
      const root = join(folder, `${cutBefore}-${loss}`);
      cpSync(template, root, { recursive: true, verbatimSymlinks: true });
      const cut = powerCutDisk(root, `${root}.attic`, cutBefore);
      const channel = channelOn(root, cut.disk, bad);
      try {
        await update(channel);
        finished = true;
      } catch (error) {
        if (!(error instanceof PowerCut)) throw error;
      }
      cut.lose(loss);
      steps = cut.steps();
      const before = guarded(root);
      const trouble = settled.has(before) ? '' : boot(root);
      if (guarded(root) === before) settled.add(before);
      if (trouble !== '') t.fail(`${what}: the guard failed: ${trouble}`);
      try {
        started.add(startable(root));
      } catch (error) {
        t.fail(`${what}: nothing starts: ${(error as Error).message}`);
      }
      await after(t, root, what);
      rmSync(root, { recursive: true });
    }
    if (finished) return { steps, started };
  }
}

t.test(
  'a power cut before any step of an update leaves a version that starts, and the update goes on',
  async (t) => {
    const template = join(parent, 'update');
    layNode(template, OLD, 1);
    const update = async (channel: ReleaseChannel): Promise<unknown> => {
      await channel.stage();
      return channel.apply();
    };
    const { steps, started } = await cutEverywhere(t, [], template, update, async (t, root, what) => {
      const channel = channelOn(root, localInstallDisk());
      await channel.settle();
      if (await channel.check()) {
        await channel.stage();
        await channel.apply();
      }
      if (startable(root) !== NEW) t.fail(`${what}: it did not get to ${NEW}`);
      const left = readdirSync(join(root, 'releases')).sort();
      if (left.join() !== `${OLD},${NEW}`) t.fail(`${what}: left in releases: ${left}`);
      if (existsSync(join(root, 'trial'))) t.fail(`${what}: the trial is open`);
    });
    t.ok(steps > 50, `${steps} steps`);
    t.same([...started].sort(), [OLD, NEW], 'before the switch the old one, after it the new one');
  },
);

t.test(
  'a power cut while a bad version is undone leaves a version that starts, and it stays undone',
  async (t) => {
    const template = join(parent, 'bad');
    layNode(template, OLD, 1);
    // Unpacked already: the steps until then are those of the test before.
    layFiles(join(template, 'releases', NEW), NEW);
    writeFileSync(join(template, 'releases', NEW, 'release.json'), installedText(NEW, 2));
    const update = (channel: ReleaseChannel): Promise<unknown> => channel.switchTo(NEW);
    const { steps } = await cutEverywhere(t, [NEW], template, update, async (t, root, what) => {
      const channel = channelOn(root, localInstallDisk(), [NEW]);
      await channel.settle();
      const offer = await channel.check();
      if (offer === undefined) throw new Error(`${what}: the release is not offered`);
      if (offer.failedBefore === undefined) {
        // Cut before anybody knew that it is bad.
        const { outcome } = await channel.switchTo(NEW);
        if (outcome !== 'rolled_back') t.fail(`${what}: ${outcome}`);
      }
      if (startable(root) !== OLD) t.fail(`${what}: ${OLD} does not run`);
      if (existsSync(join(root, 'trial'))) t.fail(`${what}: the trial is open`);
      const { failed } = JSON.parse(readFileSync(join(root, 'record.json'), 'utf8'));
      if (failed.length !== 1 || failed[0].reason !== 'it is a bad one')
        t.fail(`${what}: ${JSON.stringify(failed)}`);
    });
    t.ok(steps > 20, `${steps} steps`);
  },
);
