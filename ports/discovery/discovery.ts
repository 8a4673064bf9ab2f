import type { TouchlineError } from '#contracts/errors.ts';
import type { CameraId, Position, RigId } from '#contracts/ids.ts';

/** What a node tells the network about itself. */
export interface Announcement {
  readonly rig: RigId;
  readonly camera_id: CameraId;
  readonly position: Position | null;
  readonly version: string;
  /** Of the board: two machines never share it, and it stays when the node is given another place. */
  readonly hardware_id: string;
  readonly mqtt_port: number;
  readonly exchange_port: number;
  readonly api_port: number;
}

/** Another node, and the address it was heard from. */
export interface Sighting extends Announcement {
  readonly host: string;
}

export interface DiscoveryListener {
  /** All nodes of all rigs that are there, this one left out; called with the whole list whenever it changed. */
  seen(others: readonly Sighting[]): void;
  /** It does not work any more (`discovery_failed`); to be closed, and opened again later. */
  failed(error: TouchlineError): void;
}

/**
 * Announces a node on the networks this machine is on, and finds the others there without configuration. It follows networks that come and
 * go. Who says goodbye is gone within seconds; who vanishes without, after `VANISHED_AFTER_US`.
 */
export interface Discovery {
  /** Throws `discovery_failed` when the network cannot be used for it. Having no network yet is no failure. */
  open(self: Announcement, listener: DiscoveryListener): Promise<void>;
  /** Says goodbye. Safe when it was never open. */
  close(): Promise<void>;
}

/** Nodes are asked this often. */
export const ASK_EVERY_MS = 10_000;
/** Three questions and the time for an answer. */
export const VANISHED_AFTER_US = 32_000_000;
/** Who says goodbye because it has a new address is back by then. */
export const GOODBYE_GRACE_US = 2_500_000;

/** Whether an announcement is this node's own, come back. */
export function isOwn(self: Announcement, other: Announcement): boolean {
  return (
    other.rig === self.rig &&
    other.camera_id === self.camera_id &&
    other.hardware_id === self.hardware_id &&
    other.mqtt_port === self.mqtt_port
  );
}
