import { readdirSync } from 'node:fs';
import t from 'tap';
import type { Disk } from '#ports/disk/disk.ts';
import { readManifests, writeManifest } from '#runtime/manifests.ts';
import { housekeeper } from '../fixtures/housekeeper.ts';
import { ask, lay, ROOMY, settled, smallDisk, VIDEO_BYTES, watch } from '../fixtures/laid-recordings.ts';
import { recorderBody } from '../fixtures/recorder-state.ts';

for (const [after, what] of ['the video', 'the timeline', 'the manifest'].entries())
  t.test(`a power cut after ${what} was removed is made good at the next start`, async (t) => {
    const { root, disk } = await smallDisk(t, ROOMY);
    await lay(disk, 'Cup', { hour: 1 });
    await lay(disk, 'Next', { hour: 2, offloaded: false });
    let removals = 0;
    const failing: Disk = {
      ...disk,
      async remove(path) {
        if (removals++ > after) return new Promise(() => undefined);
        await disk.remove(path);
        if (removals > after) throw new Error('the power is gone');
      },
    };
    const before = await housekeeper(t, failing);
    before.bus.setState('recorder', recorderBody());
    await before.until('cut', () =>
      ask(before).then(
        () => false,
        ({ code }) => code === 'internal',
      ),
    );
    const left = await readManifests(disk);
    t.same(left.unreadable, [], 'all manifests are whole');
    t.equal(left.manifests.length, what === 'the manifest' ? 1 : 2, 'the manifest is the last to go');

    const keeper = await housekeeper(t, disk);
    const seen = watch(keeper);
    keeper.bus.setState('recorder', recorderBody());
    await keeper.until('made good', async () => (await readManifests(disk)).manifests.length === 1);
    await settled(keeper);
    t.same(seen.deleted, what === 'the manifest' ? [] : ['Cup 1']);
    t.same(readdirSync(`${root}/recordings`), ['Next']);
    t.same(readdirSync(`${root}/manifests`), ['Next'], 'although there is room enough');
  });

t.test('a file that is not what its manifest says is left alone, and told once', async (t) => {
  const { root, disk } = await smallDisk(t, { freeBytes: 0, videos: 3 });
  await lay(disk, 'Short', { hour: 1, bytes: VIDEO_BYTES - 1 });
  await lay(disk, 'Long', { hour: 2, bytes: VIDEO_BYTES + 1 });
  await lay(disk, 'Cup', { hour: 3 });
  const keeper = await housekeeper(t, disk);
  const seen = watch(keeper);
  await settled(keeper);
  t.same(readdirSync(`${root}/recordings`).sort(), ['Long', 'Short']);
  const answer = await ask(keeper);
  t.match(answer, {
    deleted: 0,
    kept: [
      { session_id: 'Short', part: 1, reason: /not as long as its manifest/ },
      { session_id: 'Long', part: 1, reason: /not as long as its manifest/ },
    ],
  });
  await keeper.until('told', () => seen.state()?.doubtful.length === 2 && seen.faults.length >= 2);
  t.match(seen.state()?.doubtful, [
    { session_id: 'Short', reason: /Short_CAM_C_p1\.mp4 has 999 bytes, its manifest says 1000/ },
    { session_id: 'Long', reason: /has 1001 bytes/ },
  ]);
  t.equal(seen.faults.length, 2, 'each once, however often it is looked at');
});

t.test('what changes after it was chosen is not deleted', async (t) => {
  const { root, disk } = await smallDisk(t, ROOMY);
  await lay(disk, 'First', { hour: 1 });
  const reopened = await lay(disk, 'Second', { hour: 2 });
  const grown = await lay(disk, 'Third', { hour: 3 });
  const meddled: Disk = {
    ...disk,
    async remove(path) {
      await disk.remove(path);
      if (!path.startsWith('recordings/First')) return;
      const { manifest, manifestPath } = reopened;
      const touchline = { ...manifest.touchline, offloaded: false, offloaded_at: null };
      await writeManifest(disk, { manifest: { ...manifest, touchline }, manifestPath });
      const film = await disk.open(grown.videoPath, 'existing');
      await film.append(Buffer.from('!'));
      await film.close();
    },
  };
  const keeper = await housekeeper(t, meddled);
  keeper.bus.setState('recorder', recorderBody());
  let answer: Awaited<ReturnType<typeof ask>> | undefined;
  await keeper.until('allowed', async () => {
    answer = await ask(keeper).catch(() => undefined);
    return answer !== undefined;
  });
  t.match(answer, {
    deleted: 1,
    kept: [
      { session_id: 'Second', reason: /changed/ },
      { session_id: 'Third', reason: /changed/ },
    ],
  });
  t.same(readdirSync(`${root}/recordings`).sort(), ['Second', 'Third']);
});
