import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { ask } from '#services/api/upstream.ts';

const LIMIT_MS = 150;

async function serving(t: Test, listener: RequestListener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

t.test('who does not answer, or stops in the middle, is given up', async (t) => {
  const mute = await serving(t, () => undefined);
  await t.rejects(ask(mute, { path: '/', limitMs: LIMIT_MS }), {
    message: /no answer within|nothing came for/,
  });
  const stalled = await serving(t, (_request, response) => void response.write('half'));
  const answer = await ask(stalled, { path: '/', limitMs: LIMIT_MS });
  await t.rejects(async () => {
    for await (const _ of answer);
  });
});

t.test('a caller that is slow to read gets everything', async (t) => {
  const size = 8_000_000;
  const upstream = await serving(t, (_request, response) => response.end(Buffer.alloc(size)));
  const answer = await ask(upstream, { path: '/', limitMs: LIMIT_MS });
  answer.read(0);
  await once(answer, 'readable');
  // A film is paused for several times the limit.
  await sleep(LIMIT_MS * 4);
  let read = 0;
  for await (const chunk of answer) read += (chunk as Buffer).length;
  t.equal(read, size);
});
