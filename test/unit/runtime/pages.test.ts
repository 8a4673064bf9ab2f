import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import t from 'tap';
import { Problem } from '#contracts/errors.ts';
import { createHttpApp } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';
import { servePage } from '#runtime/pages.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const HTML = '<!doctype html><title>Dashboard</title>';
const SCRIPT = 'console.log("hello");'.repeat(50);

function build(folder: string): void {
  mkdirSync(join(folder, 'assets'), { recursive: true });
  for (const [name, text] of [
    ['index.html', HTML],
    ['assets/main-AbCd1234.js', SCRIPT],
  ] as const) {
    writeFileSync(join(folder, name), text);
    writeFileSync(join(folder, `${name}.br`), brotliCompressSync(text));
    writeFileSync(join(folder, `${name}.gz`), gzipSync(text));
  }
}

t.test('a page, its assets, compressed and cached as they should be', async (t) => {
  const folder = t.testdir();
  build(folder);
  const app = await createHttpApp({ log });
  t.teardown(() => app.close());
  await servePage(app, 'dashboard', [join(folder, 'nowhere'), folder]);

  const page = await app.inject('/');
  t.equal(page.statusCode, 200);
  t.equal(page.body, HTML);
  t.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  t.equal(page.headers['cache-control'], 'no-cache');
  t.match(page.headers['content-security-policy'], "default-src 'self'; img-src 'self' blob: data:");
  t.notMatch(page.headers['content-security-policy'], 'unsafe');
  t.equal(page.headers['x-content-type-options'], 'nosniff');
  t.equal(page.headers['referrer-policy'], 'same-origin');

  const again = await app.inject({ url: '/', headers: { 'if-none-match': String(page.headers.etag) } });
  t.equal(again.statusCode, 304, 'asked for each time, sent when it changed');

  const brotli = await app.inject({
    url: '/assets/main-AbCd1234.js',
    headers: { 'accept-encoding': 'gzip, br' },
  });
  t.equal(brotli.statusCode, 200);
  t.equal(brotli.headers['content-encoding'], 'br');
  t.match(brotli.headers.vary, /accept-encoding/i);
  t.equal(brotli.headers['cache-control'], 'public, max-age=31536000, immutable');
  t.match(brotli.headers['content-type'], 'application/javascript');
  const plain = await app.inject('/assets/main-AbCd1234.js');
  t.equal(plain.body, SCRIPT);
});

t.test('nothing outside the assets is served', async (t) => {
  const folder = t.testdir({ 'secret.txt': 'secret' });
  build(folder);
  const app = await createHttpApp({ log });
  t.teardown(() => app.close());
  await servePage(app, 'dashboard', [folder]);
  for (const url of [
    '/assets/none.js',
    '/assets/../secret.txt',
    '/assets/%2e%2e/secret.txt',
    '/assets/..%2fsecret.txt',
    '/secret.txt',
    '/assets/',
  ]) {
    const answer = await app.inject(url);
    t.ok([400, 403, 404].includes(answer.statusCode), `${url}: ${answer.statusCode}`);
    t.notMatch(answer.body, 'secret\n');
    Problem.parse(answer.json());
  }
});

t.test('a page that was not built says so, and is there as soon as it is', async (t) => {
  const folder = join(t.testdir(), 'page');
  const app = await createHttpApp({ log });
  t.teardown(() => app.close());
  await servePage(app, 'console', [folder]);
  const missing = await app.inject('/');
  t.equal(missing.statusCode, 503);
  t.match(Problem.parse(missing.json()), { code: 'page_not_built' });
  build(folder);
  t.equal((await app.inject('/')).body, HTML);
});
