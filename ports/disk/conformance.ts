import { type Disk, readText } from './disk.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: { code: string }, message: string): Promise<unknown>;
  ok(value: unknown, message: string): unknown;
}

/** Every disk, real or simulated, behaves like this. The disk given is empty and has room for a megabyte. */
export async function diskConformance(t: Assertions, disk: Disk): Promise<void> {
  const { freeBytes, totalBytes } = await disk.space();
  t.ok(freeBytes > 0 && freeBytes <= totalBytes, 'space is free, and not more than there is');
  t.same(await disk.list('a'), [], 'a folder that is not there has no files');
  t.equal(await readText(disk, 'a/none'), undefined, 'a file that is not there has no text');

  const file = await disk.open('a/b/film.mp4', 'create');
  await file.append(Buffer.from('one'));
  await file.append(Buffer.from('two'));
  await file.sync();
  await file.close();
  t.equal(await readText(disk, 'a/b/film.mp4'), 'onetwo', 'appends follow each other');
  await t.rejects(
    disk.open('a/b/film.mp4', 'create'),
    { code: 'conflict' },
    'an existing file is never created again',
  );
  await t.rejects(
    disk.open('a/b/none.mp4', 'existing'),
    { code: 'not_found' },
    'what is not there cannot be opened',
  );

  const again = await disk.open('a/b/film.mp4', 'existing');
  await again.cut(4);
  await again.append(Buffer.from('!'));
  await again.sync();
  await again.close();
  t.equal(await readText(disk, 'a/b/film.mp4'), 'onet!', 'a cut file goes on at its new end');

  await disk.replace('a/note.json', 'old');
  await disk.replace('a/note.json', 'new');
  t.equal(await readText(disk, 'a/note.json'), 'new', 'replace replaces');
  t.same(
    await disk.list('a'),
    [
      { path: 'a/b/film.mp4', sizeBytes: 5 },
      { path: 'a/note.json', sizeBytes: 3 },
    ],
    'list names all files below, with their sizes, and nothing temporary',
  );
  t.equal((await bytesOf(disk, 'a/b/film.mp4', 3)).toString(), 't!', 'reading can begin anywhere');
  t.equal((await bytesOf(disk, 'a/b/film.mp4', 5)).length, 0, 'at the end too');
  const small: string[] = [];
  for await (const chunk of disk.read('a/b/film.mp4', 1, 2)) small.push(chunk.toString());
  t.same(small, ['ne', 't!'], 'in chunks as small as asked for');
  await t.rejects(bytesOf(disk, 'a/none'), { code: 'not_found' }, 'what is not there cannot be read');

  const texts = ['one', 'two', 'three'];
  await Promise.all(texts.map((text) => disk.replace('a/raced.json', text)));
  t.ok(
    texts.includes((await readText(disk, 'a/raced.json')) ?? ''),
    'of several replacements one wins, whole',
  );
  await disk.remove('a/raced.json');

  await disk.remove('a/note.json');
  await disk.remove('a/note.json');
  t.equal(await readText(disk, 'a/note.json'), undefined, 'removed, and removing again is no error');
}

/** A disk that fills up, real or simulated, behaves like this. The disk given is empty and has room for a megabyte at most. */
export async function fullDiskConformance(t: Assertions, disk: Disk): Promise<void> {
  const block = Buffer.alloc(100_000, 'x');
  await disk.replace('a/note.json', 'old');
  await disk.replace('a/spare.bin', block.toString());
  const film = await disk.open('a/film.mp4', 'create');
  let written = 0;
  let failure: unknown;
  while (failure === undefined && written < 2 * 2 ** 20)
    await film.append(block).then(
      () => {
        written += block.length;
      },
      (error: unknown) => {
        failure = error;
      },
    );
  t.equal(codeOf(failure), 'disk_full', 'a full disk has a name');
  t.ok((await disk.space()).freeBytes < block.length, 'and it is full');
  t.equal(
    (await bytesOf(disk, 'a/film.mp4')).length,
    written,
    'what was not appended whole is not in the file',
  );
  await film.sync();

  await t.rejects(disk.replace('a/note.json', block.toString()), { code: 'disk_full' }, 'no room to replace');
  t.equal(await readText(disk, 'a/note.json'), 'old', 'so the old text is there');
  t.same(
    (await disk.list('a')).map(({ path }) => path),
    ['a/film.mp4', 'a/note.json', 'a/spare.bin'],
    'and nothing is left of the attempt',
  );

  await disk.remove('a/spare.bin');
  await film.append(block);
  await film.sync();
  await film.close();
  t.equal(
    (await bytesOf(disk, 'a/film.mp4')).length,
    written + block.length,
    'once there is room, it goes on',
  );
}

async function bytesOf(disk: Disk, path: string, from?: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of disk.read(path, from)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error);
