import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig, Peer } from '#contracts/node-config.ts';
import type { Bus } from './bus/bus.ts';
import type { Unit } from './lifecycle.ts';

/** The other nodes of the rig, and where each is now. */
export interface RigPeers extends Unit {
  /** Those that are listed, and with discovery all cameras of the rig. */
  readonly cameras: readonly CameraId[];
  /** Undefined while a node has not been found. An address that is listed wins over one that was found. */
  addressOf(cameraId: CameraId): (Peer & { readonly api_port?: number }) | undefined;
  /** Called when a node was found, moved or vanished. */
  onChange(listener: () => void): void;
}

/**
 * Addresses come from `broker.peers`, and with `network.discovery` from what network-manager of this node found. A node that vanished
 * keeps its last address until another has it: whoever talks to it notices by itself, and a link must not break because an announcement was lost.
 */
export function rigPeers({ config, bus }: { readonly config: NodeConfig; readonly bus: Bus }): RigPeers {
  const listed = new Map(config.broker.peers.map((peer) => [peer.camera_id, peer]));
  const others = config.cameras.filter((camera) => camera !== config.camera_id);
  const found = new Map<CameraId, Peer & { readonly api_port: number }>();
  const listeners = new Set<() => void>();
  let stop: () => void = () => undefined;
  return {
    cameras: [
      ...listed.keys(),
      ...(config.network.discovery === 'none' ? [] : others.filter((camera) => !listed.has(camera))),
    ],
    addressOf: (cameraId) => listed.get(cameraId) ?? found.get(cameraId),
    onChange: (listener) => void listeners.add(listener),
    async start() {
      if (config.network.discovery === 'none') return;
      stop = bus.watchState('network-manager', (node, seen) => {
        if (node !== config.camera_id || !seen.online) return;
        let changed = false;
        for (const { camera_id, host, mqtt_port, exchange_port, api_port } of seen.state.peers) {
          // Anybody on the network can announce anything.
          if (!others.includes(camera_id)) continue;
          const known = found.get(camera_id);
          const same =
            known?.host === host &&
            known.port === mqtt_port &&
            known.exchange_port === exchange_port &&
            known.api_port === api_port;
          if (same) continue;
          // Whoever opens the rig's own network has the same address: it is no longer that of the one before.
          for (const [other, { host: at, port }] of found)
            if (at === host && port === mqtt_port) found.delete(other);
          found.set(camera_id, { camera_id, host, port: mqtt_port, exchange_port, api_port });
          changed = true;
        }
        if (changed) for (const listener of listeners) listener();
      });
    },
    async stop() {
      stop();
    },
  };
}
