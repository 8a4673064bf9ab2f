import { once } from 'node:events';
import { createServer } from 'node:net';
import { pino } from 'pino';
import t, { type Test } from 'tap';
import { closeHttpApp, createHttpApp } from '#runtime/http-app.ts';
import { listen } from '#runtime/listen.ts';

async function app(t: Test) {
  const made = await createHttpApp({ log: pino({ level: 'silent' }) });
  t.teardown(() => closeHttpApp(made));
  return made;
}

t.test('a port that is taken is named with its setting and a way out', async (t: Test) => {
  const other = createServer().listen(0, '127.0.0.1');
  t.teardown(() => other.close());
  await once(other, 'listening');
  const { port } = other.address() as { port: number };
  await t.rejects(listen(await app(t), { host: '127.0.0.1', port }, 'api'), {
    code: 'conflict',
    field: 'api.port',
    message: `api.port: another program already listens on 127.0.0.1:${port}`,
    remedy: /--set api\.port=/,
  });
});

t.test('an address of another machine is refused by its setting', async (t: Test) => {
  // 192.0.2.0/24 belongs to nobody: RFC 5737.
  await t.rejects(listen(await app(t), { host: '192.0.2.1', port: 0 }, 'server'), {
    code: 'configuration_invalid',
    field: 'server.host',
    message: 'server.host: this machine has no address 192.0.2.1',
  });
});
