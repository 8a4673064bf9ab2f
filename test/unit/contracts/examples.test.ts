import { globSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import { ServerConfig } from '#contracts/server-config.ts';
import { loadConfig } from '#runtime/config.ts';

const FOLDER = join(import.meta.dirname, '../../../docs/examples');
const load = (file: string) => ({ file: join(FOLDER, file), env: {} });

t.test('the examples are configurations that start, and fit each other', async (t) => {
  t.same(globSync('*', { cwd: FOLDER }).sort(), ['central.yml', 'node.yml'], 'each is checked here');
  const { config: node } = loadConfig(NodeConfig, load('node.yml'));
  const { config: central } = loadConfig(ServerConfig, load('central.yml'));
  t.equal(node.network.discovery, 'mdns', 'every camera of the rig is found');
  const server = new URL(node.offload.server_url ?? '');
  t.equal(Number(server.port), central.server.port);
  t.equal(node.broker.central?.host, server.hostname);
  t.equal(node.broker.central?.port, central.broker.port);
  t.equal(node.camera.source, 'rpicam', 'the example is of a device');
  t.equal(node.sync.exchange_host, node.broker.host, 'what the other nodes reach, they reach at one address');
});
