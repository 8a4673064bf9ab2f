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
  t.same(
    [node.camera_id, ...node.broker.peers.map((peer) => peer.camera_id)].sort(),
    [...node.cameras].sort(),
    'every camera of the rig is reached',
  );
  const server = new URL(node.offload.server_url ?? '');
  t.equal(Number(server.port), central.server.port);
  t.equal(node.broker.central?.host, server.hostname);
  t.equal(node.broker.central?.port, central.broker.port);
  const { camera } = node;
  if (camera.source !== 'test-pattern') throw new Error('the example has another camera');
  t.equal(
    central.processing.calibration.hfov_deg,
    camera.view.hfov_deg,
    'what is calibrated is what is seen',
  );
});
