import type { CameraId } from '#contracts/ids.ts';
import type { NodeConfig } from '#contracts/node-config.ts';

/** What a node is to do about its network, as far as it is settled beforehand. */
export interface NetworkPlan {
  /** Names of the networks to join where they are, the best first. */
  readonly home: readonly string[];
  /** Names of the access points of the rig, in the order in which nodes open one: the master first. */
  readonly accessPoints: readonly string[];
  /** The one that this node opens. */
  readonly own: string;
  /** Without a network for so long, this node opens it. */
  readonly openAfterSec: number;
  /** On an access point, home networks are looked for this often. */
  readonly lookHomeSec: number;
}

/** Name of the access point of a node: 32 bytes at most, as its camera id has 20. */
export function accessPointOf(cameraId: CameraId): string {
  return `SOCCER_${cameraId}`;
}

export function networkPlan(
  config: Pick<NodeConfig, 'camera_id' | 'cameras' | 'network'> & {
    readonly sync: { readonly master: CameraId };
  },
): NetworkPlan {
  const { camera_id: self, cameras, network } = config;
  const order = [config.sync.master, ...cameras.filter((camera) => camera !== config.sync.master)];
  const { join_timeout_sec: joinSec, takeover_sec: takeoverSec } = network;
  const place = order.indexOf(self);
  // Staggered, so that each finds the access point of the one before before it opens its own.
  const stepSec = Math.max(takeoverSec - joinSec, joinSec);
  return {
    home: network.home.map(({ ssid }) => ssid),
    accessPoints: order.map(accessPointOf),
    own: accessPointOf(self),
    openAfterSec: place === 0 ? joinSec : takeoverSec + (place - 1) * stepSec,
    lookHomeSec: network.look_home_sec,
  };
}
