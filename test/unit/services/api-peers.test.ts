import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import t from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { createHttpApp } from '#runtime/http-app.ts';
import { createLogger } from '#runtime/logger.ts';
import { createPeers } from '#services/api/peers.ts';

const log = createLogger({ name: 'test', level: 'silent' });
const FILM = Buffer.alloc(3_000_000);

t.test(
  'who asks only for the head of a film elsewhere gets that, and the film stays where it is',
  async (t) => {
    const asked: (string | undefined)[] = [];
    const peer = createServer((request, response) => {
      asked.push(request.method);
      response.writeHead(200, { 'content-type': 'video/mp4', 'content-length': FILM.length, etag: '"film"' });
      response.end(request.method === 'HEAD' ? undefined : FILM);
    }).listen(0, '127.0.0.1');
    await once(peer, 'listening');
    t.teardown(() => peer.close());
    const config = NodeConfig.parse({
      version: 1,
      rig: 'test',
      camera_id: 'CAM_C',
      position: 'center',
      camera: { source: 'test-pattern' },
      broker: { peers: [{ camera_id: 'CAM_L', host: '127.0.0.1' }] },
    });
    const status = { api_port: (peer.address() as AddressInfo).port } as NodeStatus;
    const peers = createPeers(
      config,
      { addressOf: () => config.broker.peers[0] },
      new Map([['CAM_L', status]]),
    );
    const app = await createHttpApp({ log });
    app.get('/film', async (request, reply) => peers.forward('CAM_L', '/film', request, reply));
    t.teardown(() => app.close());

    const head = await app.inject({ method: 'HEAD', url: '/film' });
    t.equal(head.statusCode, 200);
    t.match(head.headers, { 'content-type': 'video/mp4', 'content-length': '3000000', etag: '"film"' });
    t.equal(head.body, '');
    const whole = await app.inject('/film');
    t.equal(whole.rawPayload.length, FILM.length);
    t.same(asked, ['HEAD', 'GET']);
  },
);
