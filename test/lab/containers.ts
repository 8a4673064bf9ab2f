import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { takeLock } from '../../cli/lock.ts';
import { makeBaseImages } from './containers/base-images.ts';
import { debianTar, type Engine, engineRoot, startEngine } from './containers/engine.ts';
import { changedLayers, type Layer, mib, packedSize, readImage, sizeOf } from './containers/measure.ts';
import { record } from './containers/session.ts';
import { central, compose, fleet, imageOf, MASTER, NODES, type Stack } from './containers/stacks.ts';
import { cacheFolder } from './machine/cache.ts';
import { type LabResult, runBareLab } from './machine/lab.ts';
import { run } from './machine/run.ts';

/**
 * Both compose files as they are shipped: their images are built, two camera nodes and the central stack run in containers, a session is recorded
 * by MQTT, brought home and stitched. What the images take on disk, what a release changes of them, and what the services of a node take of
 * memory is measured. Cameras are test patterns, and no container has hardware: what is tried of it is that its rights are gone.
 */

const ROOT = join(import.meta.dirname, '../..');

/** What docs/benchmarks.md promises, MiB. */
const BUDGETS_MIB = {
  fleet_image_mib: 1024,
  update_packed_mib: 12,
  idle_mib: 640,
  recording_mib: 800,
} as const;

await runBareLab('containers', 1, async ({ folder, log }): Promise<LabResult> => {
  const failures: string[] = [];
  const root = await engineRoot(log);
  const tar = await debianTar(log);
  // Builds of before are kept there: only one lab may have them at a time.
  const data = join(cacheFolder(), 'containers');
  const lock = await takeLock(`lab ${data}`);
  if (lock === undefined) throw new Error('another lab of containers is running; wait for it');
  try {
    await copySources(join(folder, 'first'), undefined);
    await copySources(join(folder, 'second'), '0.0.1-next');

    let engine = await startEngine({ root, data, share: folder, network: 'host' });
    let images: Awaited<ReturnType<typeof buildAll>>;
    try {
      images = await buildAll(engine, { folder, tar, data, log });
    } finally {
      await engine.stop();
    }

    engine = await startEngine({ root, data, share: folder, network: 'own' });
    try {
      const stacks = [central(), ...NODES.map(fleet)].map((stack) => ({
        stack,
        running: compose(engine, folder, 'first', stack),
      }));
      try {
        const figures = await record(engine, stacks, failures, log);
        const all: Record<string, unknown> = { ...images, ...figures };
        for (const [name, most] of Object.entries(BUDGETS_MIB))
          if (!(Number(all[name]) <= most)) failures.push(`${name} is ${all[name]}, more than ${most}`);
        return { figures: all, failures };
      } catch (error) {
        for (const { stack, running } of stacks)
          process.stderr.write(`--- ${stack.project}\n${await running.logs().catch(String)}\n`);
        throw error;
      } finally {
        for (const { running } of stacks) await running.down().catch((error: unknown) => log(String(error)));
      }
    } finally {
      await engine.stop();
    }
  } finally {
    lock.release();
  }
});

/** What a release is made of: the files of the checkout that git knows or would take. With `version`, as the next release has it. */
async function copySources(target: string, version: string | undefined): Promise<void> {
  const { stdout } = await run('git', [
    ...['-C', ROOT, '-c', `safe.directory=${ROOT}`],
    ...['ls-files', '-z', '--cached', '--others', '--exclude-standard'],
  ]);
  for (const file of stdout.split('\0').filter(Boolean)) {
    await mkdir(dirname(join(target, file)), { recursive: true });
    await cp(join(ROOT, file), join(target, file)).catch((error: NodeJS.ErrnoException) => {
      // Deleted and not yet committed.
      if (error.code !== 'ENOENT') throw error;
    });
  }
  if (version === undefined) return;
  for (const name of ['package.json', 'package-lock.json']) {
    const file = join(target, name);
    const before = await readFile(file, 'utf8');
    const { version: old } = JSON.parse(before) as { version: string };
    await writeFile(file, before.replace(`"version": "${old}"`, `"version": "${version}"`));
  }
}

async function buildAll(
  engine: Engine,
  parts: { folder: string; tar: string; data: string; log: (line: string) => void },
) {
  const { folder, tar, data, log } = parts;
  log('making the base images …');
  await makeBaseImages(engine, folder, tar);
  const [node, home] = [fleet(MASTER), central()];
  const begun = performance.now();
  log('building the images of a camera node …');
  await compose(engine, folder, 'first', node).build();
  log('building the images of central …');
  await compose(engine, folder, 'first', home).build();
  const built = performance.now();
  log('building the next release of a camera node …');
  await compose(engine, folder, 'second', node).build();
  const again = performance.now();

  const read = async (stack: Stack, release: string): Promise<Map<string, ReadonlyMap<string, Layer>>> => {
    const found = new Map<string, ReadonlyMap<string, Layer>>();
    for (const service of stack.services)
      if (!stack.otherwise?.[service])
        found.set(service, await readImage(engine, data, imageOf(stack, service, release)));
    return found;
  };
  const [first, second, homes] = [
    await read(node, 'first'),
    await read(node, 'second'),
    await read(home, 'first'),
  ];
  const changed = changedLayers(first.values(), second.values());
  let packed = 0;
  for (const layer of changed) packed += await packedSize(layer);
  return {
    build_sec: Math.round((built - begun) / 1000),
    rebuild_sec: Math.round((again - built) / 1000),
    image_mib: Object.fromEntries([...first].map(([service, image]) => [service, mib(sizeOf([image]))])),
    /** All services of a node, what they share counted once. */
    fleet_image_mib: mib(sizeOf(first.values())),
    central_image_mib: mib(sizeOf(homes.values())),
    update_layers: changed.length,
    update_mib: mib(changed.reduce((sum, { bytes }) => sum + bytes, 0)),
    update_packed_mib: mib(packed),
  };
}
