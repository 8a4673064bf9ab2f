import t from 'tap';
import { diskConformance, fullDiskConformance } from '#ports/disk/conformance.ts';
import { readText } from '#ports/disk/disk.ts';
import { memoryDisk } from '#ports/disk/memory-disk.ts';

t.test('the disk in memory behaves like a disk', (t) => diskConformance(t, memoryDisk(1_000_000)));
t.test('and fills up like one', (t) => fullDiskConformance(t, memoryDisk(1_000_000)));

t.test('it can be unplugged', async (t) => {
  const disk = memoryDisk(1000);
  const film = await disk.open('film.mp4', 'create');
  disk.setPresent(false);
  const attempts: Promise<unknown>[] = [
    disk.space(),
    disk.open('b.mp4', 'create'),
    disk.replace('a', 'b'),
    disk.list('a'),
    disk.remove('a'),
    readText(disk, 'a'),
    film.append(Buffer.from('x')),
    film.sync(),
  ];
  for (const attempt of attempts) await t.rejects(attempt, { code: 'disk_missing' });
  disk.setPresent(true);
  await film.append(Buffer.from('x'));
  t.equal(await readText(disk, 'film.mp4'), 'x', 'and plugged in again');
});

t.test('it loses what was not synced when the power goes', async (t) => {
  const disk = memoryDisk(1000);
  const film = await disk.open('film.mp4', 'create');
  await film.append(Buffer.from('kept'));
  await film.sync();
  await film.append(Buffer.from(' lost'));
  await disk.replace('note.json', 'kept too');
  disk.cutPower();
  t.equal(await readText(disk, 'film.mp4'), 'kept');
  t.equal(await readText(disk, 'note.json'), 'kept too');
});

t.test('it can be slow', async (t) => {
  const disk = memoryDisk(1000);
  const film = await disk.open('film.mp4', 'create');
  const brake = Promise.withResolvers<void>();
  disk.setBrake(() => brake.promise);
  let done = false;
  const appending = film.append(Buffer.from('x')).then(() => {
    done = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  t.notOk(done, 'waits');
  brake.resolve();
  await appending;
  t.equal(await readText(disk, 'film.mp4'), 'x');
});
