import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import t, { type Test } from 'tap';
import { hashOf, putText } from '#ports/blobs/blobs.ts';
import { blobsConformance } from '#ports/blobs/conformance.ts';
import { localBlobs } from '#ports/blobs/local-blobs.ts';
import { memoryBlobs } from '#ports/blobs/memory-blobs.ts';

async function folder(t: Test, parent = tmpdir()): Promise<string> {
  const path = await mkdtemp(join(parent, 'touchline-blobs-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

t.test('local disk', async (t) => {
  const root = await folder(t);
  const store = localBlobs({
    areas: { sessions: join(root, 'sessions') },
    temp: join(root, 'temp'),
    receives: true,
  });
  await store.start();
  const incoming = join(root, 'temp', 'incoming');
  await blobsConformance(t, store, async () => (await readdir(incoming)).length);

  await writeFile(join(incoming, 'left-by-a-crash'), 'half');
  await putText(store, 'sessions/kept', 'whole');
  await store.start();
  t.same(await readdir(incoming), [], 'a start removes what a crash left');
  t.equal((await hashOf(store, 'sessions/kept')).sizeBytes, 5, 'and nothing else');
  await t.rejects(store.find('elsewhere/x'), { code: 'invalid_field' }, 'an area that is not configured');
});

t.test('memory', async (t) => {
  const store = memoryBlobs(8 * 1024 * 1024, await folder(t));
  await store.start();
  await blobsConformance(t, store, async () => store.drafts);
  await putText(store, 'sessions/a', 'abc');
  const before = await hashOf(store, 'sessions/a');
  store.damage('sessions/a');
  t.not((await hashOf(store, 'sessions/a')).sha256, before.sha256, 'damage shows');
  await t.rejects(
    store.receive(Readable.from([Buffer.alloc(9 * 1024 * 1024)]), { maxBytes: 2 ** 40, minFreeBytes: 0 }),
    { code: 'insufficient_storage' },
    'it has a capacity',
  );
});

t.test('drafts on another disk than the files are refused at the start', async (t) => {
  const root = await folder(t);
  const store = localBlobs({
    areas: { sessions: join(root, 'sessions') },
    temp: await folder(t, '/dev/shm'),
    receives: true,
  });
  await t.rejects(store.start(), { code: 'configuration_invalid', field: 'storage.temp_path' });
});

t.test('a slow sender is waited for, and a vanished one leaves nothing', async (t) => {
  const root = await folder(t);
  const store = localBlobs({
    areas: { sessions: join(root, 'sessions') },
    temp: join(root, 'temp'),
    receives: true,
  });
  await store.start();
  const source = new PassThrough();
  const receiving = store.receive(source, { maxBytes: 2 ** 40, minFreeBytes: 0 });
  for (let n = 0; n < 40; n += 1)
    if (!source.write(Buffer.alloc(1024 * 1024, n))) await new Promise((done) => source.once('drain', done));
  t.equal((await readdir(join(root, 'temp', 'incoming'))).length, 1, 'under way');
  source.destroy(new Error('connection lost'));
  await t.rejects(receiving, { message: 'connection lost' });
  t.same(await readdir(join(root, 'temp', 'incoming')), []);
});
