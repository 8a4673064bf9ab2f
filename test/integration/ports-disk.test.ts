import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import t from 'tap';
import { diskConformance } from '#ports/disk/conformance.ts';
import { readText } from '#ports/disk/disk.ts';
import { localDisk } from '#ports/disk/local-disk.ts';

t.test('a folder is a disk', (t) => diskConformance(t, localDisk(t.testdir({}))));

t.test('a root that is not there is a missing disk, and is never made', async (t) => {
  const root = join(t.testdir({}), 'not-mounted');
  const disk = localDisk(root);
  const missing = { code: 'disk_missing', message: new RegExp(root) };
  await t.rejects(disk.space(), missing);
  await t.rejects(disk.open('a/film.mp4', 'create'), missing);
  await t.rejects(disk.open('a/film.mp4', 'existing'), missing);
  await t.rejects(disk.replace('a.json', 'x'), missing);
  await t.rejects(readText(disk, 'a.json'), missing);
  await t.rejects(disk.list('a'), missing);
  await t.rejects(disk.remove('a.json'), missing);
  t.throws(() => readFileSync(root), { code: 'ENOENT' });
});

t.test('a disk that goes away while it is used', async (t) => {
  const root = join(t.testdir({}), 'disk');
  mkdirSync(root);
  const disk = localDisk(root);
  const film = await disk.open('a/film.mp4', 'create');
  await film.append(Buffer.from('x'));
  rmSync(root, { recursive: true });
  await t.rejects(disk.space(), { code: 'disk_missing' });
  await t.rejects(disk.replace('a/note.json', 'x'), { code: 'disk_missing' });
  await film.close();
});

t.test('a file in the way of a folder is a failure with its reason', async (t) => {
  const disk = localDisk(t.testdir({ a: 'a file' }));
  await t.rejects(disk.open('a/b/film.mp4', 'create'), {
    code: 'disk_failed',
    message: /a\/b\/film\.mp4.*ENOTDIR/,
  });
});

t.test(
  'what a power cut left of a replacement is not listed, and files may vanish while we look',
  async (t) => {
    const root = t.testdir({ a: { 'note.json': 'old', 'note.json.1234.new': 'ne' } });
    const disk = localDisk(root);
    t.same(await disk.list('a'), [{ path: 'a/note.json', sizeBytes: 3 }]);
    for (let n = 0; n < 300; n++) writeFileSync(join(root, 'a', `${n}.journal.json`), '');
    const looking = disk.list('a');
    const removing = (async () => {
      for (let n = 299; n >= 0; n--) rmSync(join(root, 'a', `${n}.journal.json`));
    })();
    await removing;
    const seen = (await looking).map(({ path }) => path);
    t.ok(seen.includes('a/note.json'), 'the rest is listed');
    t.same((await disk.list('a')).length, 1);
  },
);

t.test('folders that become empty go with the last file, and never in the way of another', async (t) => {
  const root = t.testdir({ films: { Cup: { CAM_C: { 'a.mp4': 'a', 'b.mp4': 'b' } }, Final: { CAM_C: {} } } });
  const disk = localDisk(root);
  const foldersOf = (): string[] =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => relative(root, join(entry.parentPath, entry.name)))
      .sort();
  await disk.remove('films/Cup/CAM_C/a.mp4');
  t.same(foldersOf(), ['films', 'films/Cup', 'films/Cup/CAM_C', 'films/Final', 'films/Final/CAM_C']);
  await disk.remove('films/Cup/CAM_C/b.mp4');
  t.same(foldersOf(), ['films', 'films/Final', 'films/Final/CAM_C'], 'empty ones go, the first one stays');
  await disk.remove('films/Final/CAM_C/gone.mp4');
  t.same(foldersOf(), ['films'], 'also those that an interrupted removal left');

  for (let n = 0; n < 100; n++) {
    const path = `films/Cup/CAM_C/${n}.mp4`;
    const [film] = await Promise.all([
      disk.open(path, 'create'),
      disk.remove('films/Cup/CAM_C/none.mp4'),
      disk.replace('films/Kept/CAM_C/note.json', 'x'),
      disk.remove('films/Kept/none.json'),
    ]);
    await film.close();
    const [found] = await Promise.all([disk.list('films'), disk.remove(path)]);
    if (!found.some((entry) => entry.path === 'films/Kept/CAM_C/note.json'))
      t.fail(`a list in round ${n} without what was there all the time`);
    await disk.remove('films/Kept/CAM_C/note.json');
  }
  t.same(foldersOf(), ['films']);
});

t.test('large files come in chunks', async (t) => {
  const disk = localDisk(t.testdir({}));
  const bytes = Buffer.alloc(2_500_000, 'touchline');
  const film = await disk.open('film.mp4', 'create');
  await film.append(bytes);
  await film.close();
  const chunks: Buffer[] = [];
  for await (const chunk of disk.read('film.mp4')) chunks.push(chunk);
  t.ok(Buffer.concat(chunks).equals(bytes), 'whole, and each chunk its own');
  t.ok(chunks.length >= 3 && chunks.every((chunk) => chunk.length <= 2 ** 20));
});

t.test('a folder that never was a mount point is a disk all the same', async (t) => {
  const root = t.testdir({ disk: {}, state: { 'recording-disk.json': 'half a fi' } });
  await localDisk(join(root, 'disk'), join(root, 'state')).replace('a.json', 'x');
  t.equal(readFileSync(join(root, 'disk/a.json'), 'utf8'), 'x');
});

const namespaces = spawnSync('unshare', ['-m', 'true']);
const mounting =
  namespaces.status === 0
    ? {}
    : { skip: `needs root to mount one: ${namespaces.stderr ?? namespaces.error}` };

t.test('a disk that is really unmounted', mounting, async (t) => {
  const script = join(import.meta.dirname, '../fixtures/vanishing-disk.ts');
  await t.spawn('unshare', ['-m', process.execPath, script, t.testdir({})], {}, 'inside');
});

t.test('a file system that is really full, and really read-only', mounting, async (t) => {
  const root = join(t.testdir({ small: {} }), 'small');
  const script = join(import.meta.dirname, '../fixtures/full-disk.ts');
  const mounted = 'mount -t tmpfs -o size=1m tmpfs "$1" && exec "$2" "$3" "$1"';
  await t.spawn('unshare', ['-m', 'sh', '-c', mounted, 'sh', root, process.execPath, script], {}, 'inside');
});
