import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type BlobStore, hashOf, putText, readText } from './blobs.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
  rejects(
    promise: Promise<unknown>,
    wanted: { code: string } | { message: string },
    message: string,
  ): Promise<unknown>;
}

const PLENTY = { maxBytes: 100_000_000, minFreeBytes: 0 };

/**
 * Every store behaves like this. It is started, empty, has an area `sessions` and room for 8 MiB;
 * `draftsLeft` counts drafts that are neither committed nor discarded.
 */
export async function blobsConformance(
  t: Assertions,
  store: BlobStore,
  draftsLeft: () => Promise<number>,
): Promise<void> {
  // Odd sizes across the block size of 1 MiB.
  const film = Buffer.alloc(3_333_333, 'touchline');
  const chunks = (): Readable => {
    const parts: Buffer[] = [];
    for (let at = 0; at < film.length; at += 65_437) parts.push(film.subarray(at, at + 65_437));
    return Readable.from(parts);
  };
  const sha256 = createHash('sha256').update(film).digest('hex');
  const name = 'sessions/GAME~ABCDEF/CAM_C/recording.mp4';

  t.same(await store.list('sessions'), [], 'nothing is there');
  t.equal(await store.find(name), undefined, 'nothing is found');
  await t.rejects(readText(store, name), { code: 'not_found' }, 'what is not there cannot be read');

  let head = '';
  const draft = await store.receive(chunks(), {
    ...PLENTY,
    checkHead(bytes) {
      head += bytes.toString();
    },
  });
  t.same(
    { head, size: draft.sizeBytes, sha256: draft.sha256 },
    { head: film.subarray(0, 16).toString(), size: film.length, sha256 },
    'the head is shown once, size and hash are those of the bytes sent',
  );
  t.same(await store.list('sessions'), [], 'a draft has no name');
  await draft.commit(name);
  t.same(await hashOf(store, name), { sha256, sizeBytes: film.length }, 'read back it is the same');
  t.equal((await store.find(name))?.sizeBytes, film.length, 'found with its size');

  await putText(store, name, 'other');
  t.equal(await readText(store, name), 'other', 'a commit replaces');
  const unwanted = await store.receive(chunks(), PLENTY);
  await unwanted.discard();
  t.equal(await readText(store, name), 'other', 'a discarded draft changes nothing');

  const refusals = [
    { code: 'payload_too_large', source: chunks(), options: { ...PLENTY, maxBytes: 3_333_332 } },
    { code: 'insufficient_storage', source: chunks(), options: { ...PLENTY, minFreeBytes: 2 ** 60 } },
  ];
  for (const { code, source, options } of refusals)
    await t.rejects(store.receive(source, options), { code }, `refused: ${code}`);
  const refuse = (): never => {
    throw new Error('not this');
  };
  for (const source of [chunks(), Readable.from([Buffer.from('short')]), Readable.from([])])
    await t.rejects(
      store.receive(source, { ...PLENTY, checkHead: refuse }),
      { message: 'not this' },
      'refused by its head',
    );
  const broken = Readable.from(
    (async function* () {
      yield film;
      throw new Error('gone');
    })(),
  );
  await t.rejects(store.receive(broken, PLENTY), { message: 'gone' }, 'a sender that goes away');

  const made = join(store.scratch, 'made.mp4');
  await writeFile(made, film);
  const adopted = await store.adopt(made);
  t.equal(adopted.sha256, sha256, 'a file that a program wrote is hashed');
  await adopted.commit('sessions/GAME/stitched/panorama.mp4');
  t.same(
    await store.list('sessions'),
    ['sessions/GAME/stitched/panorama.mp4', name],
    'all names below a folder, in order',
  );
  t.same(await store.list('sessions/GAME'), ['sessions/GAME/stitched/panorama.mp4'], 'of one folder only');

  const kept = await store.receive(Readable.from([film]), PLENTY);
  for (const outside of [
    '../x',
    '/etc/x',
    'sessions/../../x',
    'sessions/.hidden',
    'sessions//x',
    'sessions/a\\b',
    'sessions/a\0b',
    '',
  ]) {
    await t.rejects(kept.commit(outside), { code: 'invalid_field' }, `"${outside}" is refused`);
    await t.rejects(store.find(outside), { code: 'invalid_field' }, 'for reading too');
  }
  await kept.discard();
  t.equal(await draftsLeft(), 0, 'nothing of all that is left behind');
}
