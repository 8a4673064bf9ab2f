import { type Disk, readText } from './disk.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(promise: Promise<unknown>, wanted: object, message: string): Promise<unknown>;
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
  const rest: Buffer[] = [];
  for await (const chunk of disk.read('a/b/film.mp4', 3)) rest.push(chunk);
  t.equal(Buffer.concat(rest).toString(), 't!', 'reading can begin anywhere');

  await disk.remove('a/note.json');
  await disk.remove('a/note.json');
  t.equal(await readText(disk, 'a/note.json'), undefined, 'removed, and removing again is no error');
}
