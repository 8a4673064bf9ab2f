import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';
import t, { type Test } from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { loadConfig } from '#runtime/config.ts';
import { freePorts } from '../../../cli/demo/free-ports.ts';
import { startSkewMs } from '../../../cli/demo/once.ts';
import { makePlace } from '../../../cli/demo/place.ts';
import { nextSteps } from '../../../cli/demo/view.ts';
import { NotYet, waitFor } from '../../../cli/demo/wait.ts';
import { takeLock } from '../../../cli/lock.ts';

type Manifests = Parameters<typeof startSkewMs>[0];
const manifest = (part: number, start_skew_ms: number | null) => ({ touchline: { part, start_skew_ms } });

t.test(
  'the configurations of a demo are valid, on ports of their own, below its directory',
  async (t: Test) => {
    const out = t.testdir({});
    const place = await makePlace({ out, sources: new Map([['CAM_R', '/films/right.mp4']]) });
    t.teardown(place.leave);
    const configs = place.nodes.map(
      ({ configFile }) => loadConfig(NodeConfig, { file: configFile, env: {} }).config,
    );
    const { config: central } = loadConfig(ServerConfig, { file: place.central.configFile, env: {} });
    t.same(
      configs.map(({ camera_id }) => camera_id),
      ['CAM_L', 'CAM_C', 'CAM_R'],
    );
    t.same(configs[2]?.camera, { source: 'file', path: '/films/right.mp4', bitrate_mbps: 8 });
    t.equal(
      new Set(configs.slice(0, 2).map(({ camera }) => JSON.stringify(camera))).size,
      2,
      'each sees something else',
    );
    const ports = [
      ...configs.flatMap(({ api, broker }) => [api.port, broker.port]),
      central.server.port,
      central.broker.port,
    ];
    t.equal(new Set(ports).size, 8);
    for (const { camera_id, storage, offload, broker, runtime_dir } of configs) {
      t.equal(storage.path, join(out, 'nodes', camera_id));
      t.equal(offload.server_url, place.central.url);
      t.equal(broker.host, '127.0.0.1');
      t.same(
        new Set(broker.peers.map((peer) => peer.port)),
        new Set(configs.filter((other) => other.camera_id !== camera_id).map((other) => other.broker.port)),
      );
      t.ok(Buffer.byteLength(join(runtime_dir, 'network-manager.sock')) < 107, 'a socket fits');
    }
    t.equal(central.storage.root, join(out, 'central'));
    t.match(
      nextSteps(place).join('\n'),
      /curl -X POST http:\/\/127\.0\.0\.1:\d+\/api\/v1\/rig\/start.*mosquitto_pub -p \d+ -t touchline\/demo\/CAM_C\/cmd\/sync-agent\/start/s,
    );
    t.match(readFileSync(place.central.configFile, 'utf8'), /^# Written by/);
    place.leave();
    t.equal(
      statSync(configs[0]?.runtime_dir ?? '', { throwIfNoEntry: false }),
      undefined,
      'the sockets are gone',
    );
  },
);

t.test(
  'two demos cannot have one directory, and it is free again when the first has left',
  async (t: Test) => {
    const out = t.testdir({});
    const first = await makePlace({ out, sources: new Map() });
    await t.rejects(makePlace({ out: `${out}/.`, sources: new Map() }), {
      code: 'conflict',
      field: 'out',
      message: new RegExp(`${out}.*another demo`),
    });
    first.leave();
    const again = await makePlace({ out, sources: new Map() });
    again.leave();
  },
);

t.test('a lock ends with the process that holds it', async (t: Test) => {
  const name = `test ${t.testdirName}`;
  const program = `
    import { takeLock } from '${resolve('cli/lock.ts')}';
    await takeLock(${JSON.stringify(name)});
    console.log('held');
    setInterval(() => undefined, 1000);
  `;
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(holder.stdout, 'data');
  t.equal(await takeLock(name), undefined);
  const ended = once(holder, 'close');
  holder.kill('SIGKILL');
  await ended;
  const lock = await takeLock(name);
  t.ok(lock);
  lock?.release();
});

t.test('ports that are taken are not given', async (t: Test) => {
  const [port = 0] = await freePorts(1);
  const server = createServer().listen(port, '127.0.0.1');
  t.teardown(() => server.close());
  await once(server, 'listening');
  t.notOk((await freePorts(50)).includes(port));
  await t.rejects(freePorts(100_000), { code: 'conflict' });
});

t.test('start skew is the spread of the first parts, and unknown when one is', (t: Test) => {
  const skew = (...all: object[]) => startSkewMs(all as unknown as Manifests);
  t.equal(skew(manifest(1, 3.25), manifest(1, 30), manifest(2, 900), manifest(1, 12)), 26.75);
  t.equal(skew(manifest(1, 3), manifest(1, null)), null);
  t.equal(skew(), null);
  t.end();
});

t.test(
  'a wait says what was awaited, how long, and what was missing; other failures end it',
  async (t: Test) => {
    const { signal } = new AbortController();
    let asked = 0;
    t.equal(await waitFor('x', 5000, signal, async () => (++asked < 3 ? new NotYet('soon') : asked)), 3);
    await t.rejects(
      waitFor('the nodes', 0, signal, async () => new NotYet('CAM_L is not seen')),
      {
        code: 'peer_silent',
        message: 'waited 0 s for the nodes: CAM_L is not seen',
      },
    );
    await t.rejects(
      waitFor('x', 5000, signal, async () => Promise.reject(new Error('broken'))),
      { message: 'broken' },
    );
    await t.rejects(
      waitFor('x', 5000, AbortSignal.abort(new Error('given up')), async () => 1),
      { message: 'given up' },
    );
  },
);

t.test(
  'an output directory that cannot be is refused by name, also where folders cannot be made',
  async (t) => {
    for (const out of ['/proc/no-such-folder', '/etc/hostname', '/etc/hostname/below'])
      await t.rejects(makePlace({ out, sources: new Map() }), {
        code: 'invalid_field',
        field: 'out',
        message: new RegExp(out),
      });
  },
);
