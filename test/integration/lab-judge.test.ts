import { appendFileSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { FRAMES, recordingNode } from '../fixtures/recording-node.ts';
import { judgeDisk } from '../lab/recordings/judge.ts';

t.test('whoever judges a disk accepts what a node recorded, and sees what was changed', async (t) => {
  const node = await recordingNode(t);
  await node.record('Match', 2);
  const { root } = node.disk;
  const judge = () => judgeDisk(root, FRAMES.fps);
  const { files, faults } = await judge();
  t.same(faults, []);
  t.equal(files.length, 1);
  const [file] = files;
  t.match(file, { unplayable: undefined, wrong: [] });
  t.ok((file?.frames.length ?? 0) >= 2 * FRAMES.fps, 'every frame was read');

  const film = join(root, file?.path ?? '');
  const manifest = join(root, 'manifests/Match/CAM_C', 'Match_CAM_C.json');
  const wholeFilm = readFileSync(film);
  const wholeManifest = readFileSync(manifest, 'utf8');
  const restore = (): void => {
    writeFileSync(film, wholeFilm);
    writeFileSync(manifest, wholeManifest);
  };
  const changed = async (change: (said: ReturnType<typeof JSON.parse>) => void): Promise<string> => {
    const said = JSON.parse(wholeManifest);
    change(said);
    writeFileSync(manifest, JSON.stringify(said));
    const judged = await judge();
    restore();
    return judged.files[0]?.wrong.join('; ') ?? '';
  };
  t.match(
    await changed((said) => {
      said.checksum.value = '0'.repeat(64);
    }),
    /^sha256: the manifest says "0+", the file shows "[0-9a-f]{64}"$/,
  );
  t.match(
    await changed((said) => {
      said.touchline.frames += 1;
    }),
    /^frames: /,
  );
  t.match(
    await changed((said) => {
      said.video.duration_sec += 0.1;
    }),
    /^duration: /,
  );
  t.match(
    await changed((said) => {
      said.touchline.first_frame.local = said.timing.end_time;
    }),
    /first frame: /,
  );
  t.match(
    await changed((said) => {
      const { start_time: from, end_time: to } = said.timing;
      said.touchline.gaps.push({ from, to, frames: 3, reason: 'frames lost' });
    }),
    /frames lost inside: the manifest says 3, the file shows 0/,
  );

  truncateSync(film, wholeFilm.length - 1000);
  t.match((await judge()).files[0]?.wrong.join('; '), /^size: /);
  restore();
  writeFileSync(
    film,
    Buffer.concat([wholeFilm.subarray(0, 40_000), Buffer.alloc(9000), wholeFilm.subarray(49_000)]),
  );
  t.ok((await judge()).files[0]?.unplayable, 'damage in the middle does not play');
  restore();

  writeFileSync(`${film}.journal.json`, '{}');
  t.match((await judge()).faults, [/^a journal is left: /]);
  appendFileSync(manifest, 'x');
  t.match((await judge()).faults.join('; '), /is not JSON/);
});
