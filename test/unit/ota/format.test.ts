import { spawnSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import t from 'tap';
import { Header } from 'tar';
import { readArchive } from '#ota/format/archive.ts';
import { checksumText, readChecksums } from '#ota/format/checksums.ts';
import { keyId, newReleaseKey, publicLineOf, readPrivateKey, readPublicKey } from '#ota/format/keys.ts';
import { signatureText, verifySignature } from '#ota/format/signing.ts';

t.test('keys are read in both forms, and named by both halves alike', (t) => {
  const { privatePem, publicLine } = newReleaseKey();
  const own = readPrivateKey(privatePem, 'key');
  const line = readPublicKey(`${publicLine}\n`, 'keys');
  const pem = readPublicKey(createPublicKey(own).export({ type: 'spki', format: 'pem' }) as string, 'keys');
  t.equal(publicLineOf(own), publicLine);
  t.equal(publicLineOf(pem), publicLine);
  t.match(keyId(own), /^[0-9a-f]{16}$/);
  t.equal(keyId(line), keyId(own));
  for (const wrong of ['', 'ed25519:short', publicLine.slice(0, -1), privatePem.slice(0, 60)])
    t.throws(() => readPublicKey(wrong, 'updates.keys.0'), {
      code: 'configuration_invalid',
      field: 'updates.keys.0',
    });
  t.throws(() => readPrivateKey('none', 'club.key'), { code: 'invalid_field', remedy: /keygen/ });
  t.end();
});

t.test('one of several signatures by a trusted key is enough', (t) => {
  const pairs = [newReleaseKey(), newReleaseKey(), newReleaseKey()].map(({ privatePem }) =>
    createPrivateKey(privatePem),
  );
  const [old, next, strange] = pairs;
  if (old === undefined || next === undefined || strange === undefined) throw new Error('three keys');
  const sums = checksumText([
    { name: 'b', sha256: 'b'.repeat(64) },
    { name: 'a', sha256: 'a'.repeat(64) },
  ]);
  t.equal(sums, `${'a'.repeat(64)}  a\n${'b'.repeat(64)}  b\n`);
  const both = signatureText(sums, [old, next]);
  t.equal(verifySignature(sums, both, [createPublicKey(next)]), keyId(next));
  t.equal(verifySignature(sums, both, [createPublicKey(strange), createPublicKey(old)]), keyId(old));
  const refused = (text: string, signatures: string, message: RegExp): void =>
    void t.throws(() => verifySignature(text, signatures, [createPublicKey(old)]), {
      code: 'signature_wrong',
      message,
    });
  refused(sums, '', /not signed/);
  refused(sums, signatureText(sums, [strange]), /signed by/);
  refused(`${sums} `, both, /changed after/);
  // The signature of another under the name of a trusted key.
  refused(sums, signatureText(sums, [strange]).replace(keyId(strange), keyId(old)), /changed after/);
  t.end();
});

t.test('openssl agrees', (t) => {
  const folder = t.testdir({});
  const key = createPrivateKey(newReleaseKey().privatePem);
  writeFileSync(join(folder, 'sums'), 'text\n');
  writeFileSync(join(folder, 'pub'), createPublicKey(key).export({ type: 'spki', format: 'pem' }));
  const [, , signature = ''] = signatureText('text\n', [key]).trim().split(' ');
  writeFileSync(join(folder, 'sig'), Buffer.from(signature, 'base64'));
  const args = ['pkeyutl', '-verify', '-pubin', '-inkey', 'pub', '-rawin', '-in', 'sums', '-sigfile', 'sig'];
  t.match(spawnSync('openssl', args, { cwd: folder, encoding: 'utf8' }), { status: 0, stdout: /Verified/ });
  t.end();
});

t.test('checksums that are none are refused', (t) => {
  const line = `${'a'.repeat(64)}  a\n`;
  t.same([...readChecksums(line)], [['a', 'a'.repeat(64)]]);
  t.throws(() => readChecksums(line.slice(0, -1)), { code: 'release_truncated' });
  for (const wrong of [`${line}${line}`, `${'a'.repeat(64)}  ../a\n`, 'hello\n', '\n'])
    t.throws(() => readChecksums(wrong), { code: 'checksum_wrong' }, wrong);
  t.end();
});

/** An archive with one entry of whatever kind. */
function archive(
  fields: { path: string; type?: 'File' | 'SymbolicLink' | 'Directory'; linkpath?: string },
  text = 'hello',
): Buffer {
  const type = fields.type ?? 'File';
  const header = new Header({ mode: 0o644, ...fields, type, size: type === 'File' ? text.length : 0 });
  const block = Buffer.alloc(512);
  header.encode(block);
  const body = Buffer.alloc(type === 'File' ? 512 : 0);
  body.write(text);
  return gzipSync(Buffer.concat([block, body, Buffer.alloc(1024)]));
}

t.test('an archive holds plain files below one folder, whole, or is refused', async (t) => {
  const read = async (bytes: Buffer): Promise<string[]> => {
    const found: string[] = [];
    await readArchive(Readable.from([bytes]), async (file) => {
      const chunks: Uint8Array[] = [];
      for await (const chunk of file.bytes) chunks.push(chunk);
      found.push(`${file.path} ${file.executable} ${Buffer.concat(chunks)}`);
    });
    return found;
  };
  t.same(await read(archive({ path: './a/b' })), ['a/b false hello']);
  t.same(await read(archive({ path: 'a/', type: 'Directory' })), []);
  for (const path of ['../a', '/a', 'a/../../b', 'a//b'])
    await t.rejects(read(archive({ path })), { code: 'checksum_wrong', message: /leads out/ }, path);
  await t.rejects(read(archive({ path: 'a', type: 'SymbolicLink', linkpath: '/etc' })), {
    message: /no plain file/,
  });
  const whole = archive({ path: 'a' });
  await t.rejects(read(whole.subarray(0, whole.length - 12)), { code: 'release_truncated' });
  await t.rejects(read(Buffer.from('no archive at all')), { code: 'checksum_wrong' });
  await t.rejects(read(gzipSync(Buffer.alloc(2048, 'x'))), { code: 'checksum_wrong' });
  const failing = readArchive(Readable.from([whole]), async () => {
    throw new Error('no room');
  });
  await t.rejects(failing, { message: 'no room' });
});
