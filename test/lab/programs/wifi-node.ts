import { createInterface } from 'node:readline';
import type { CameraId } from '#contracts/ids.ts';
import { NodeConfig } from '#contracts/node-config.ts';
import { mqttBroker } from '#ports/broker/mqtt-broker.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { nodeBus } from '#runtime/bus/node-bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import { startService } from '#runtime/service-main.ts';
import { nodeClient } from '../../../cli/demo/client.ts';
import { createNode } from '../../../cli/node-process.ts';
import type { Said } from '../wifi/said.ts';

/**
 * A whole camera node in a machine of the wifi lab. It tells what its services say in lines of JSON, and does what it is told in lines: `start` and
 * `stop`.
 */

const { CONFIG = '' } = process.env;
const clock = systemClock();

function say(line: Said): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

function teller(config: NodeConfig, parts: Parameters<typeof createNode>[0]): Unit {
  const log = parts.log.child({ service: 'lab' });
  const bus = nodeBus('updater', { config, broker: mqttBroker(config.broker), clock, log });
  const client = nodeClient(`http://127.0.0.1:${config.api.port}`);
  const there = new Map<CameraId, boolean>();
  const done = (what: Promise<unknown>, command: string): void =>
    void what.then(
      (result) => say({ did: command, result }),
      (error: unknown) => say({ did: command, error: (error as Error).message }),
    );
  return group(bus, {
    async start() {
      bus.watchState('network-manager', (node, seen) => {
        if (node !== config.camera_id || !seen.online) return;
        const { mode, reason, ssid, addresses, peers, conflicts, warnings } = seen.state;
        say({
          network: {
            ...{ mode, reason, ssid, addresses },
            peers: peers.map(({ camera_id }) => camera_id),
            conflicts: conflicts.map(({ hardware_id }) => hardware_id),
            warnings: warnings.map(({ code, message }) => `${code}: ${message}`),
          },
        });
      });
      bus.watchState('recorder', (node, seen) => {
        if (node !== config.camera_id || !seen.online) return;
        const { state, recording } = seen.state;
        say({
          recorder: {
            state,
            session_uid: recording?.session_uid ?? null,
            start_at: recording?.start_at ?? null,
            part: recording?.part ?? 0,
            frames: recording?.frames ?? 0,
            dropped: recording?.dropped_frames ?? 0,
          },
        });
      });
      bus.watchState('sync-agent', (node, seen) => {
        if (node === config.camera_id && seen.online) say({ knows_time: seen.state.rig_time !== null });
      });
      bus.watchAvailability((node, { state }) => {
        there.set(node, state === 'online');
        say({ there: [...there].flatMap(([camera, online]) => (online ? [camera] : [])) });
      });
      createInterface(process.stdin).on('line', (line) => {
        if (line === 'start') done(client.start({ override: true }), line);
        if (line === 'stop') done(client.stop({}), line);
      });
    },
    stop: () => Promise.resolve(),
  });
}

await startService(
  {
    name: 'node',
    env: {},
    schema: NodeConfig,
    create: (parts) => group(createNode(parts), teller(parts.config, parts)),
  },
  { config: CONFIG },
);
