import { TouchlineError, type WireError } from '#contracts/errors.ts';
import type { FoundNode } from '#contracts/network.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Discovery, Sighting } from '#ports/discovery/discovery.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';

/** Who else is on the network: announces this node, and sorts what the others announce. */
export interface Neighbours extends Unit {
  /** Other nodes of the rig, one for each camera. */
  readonly peers: readonly FoundNode[];
  /** Other machines that say they are this node. */
  readonly conflicts: readonly FoundNode[];
  readonly warnings: readonly WireError[];
}

/** What keeps a node from announcing itself seldom goes by itself, but a program that holds the port may end. */
const RETRY_MS = 10_000;

export function createNeighbours(deps: {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  readonly discovery: Discovery;
  readonly hardwareId: string;
  readonly version: string;
  readonly onChange: () => void;
}): Neighbours {
  const { config, clock, log, discovery, hardwareId } = deps;
  const foundAt = new Map<string, string>();
  let others: readonly Sighting[] = [];
  let failure: TouchlineError | undefined;
  let stopRetrying: (() => void) | undefined;

  const found = (sighting: Sighting): FoundNode => {
    const { rig: _, ...rest } = sighting;
    return { ...rest, seen_at: foundAt.get(machineOf(sighting)) ?? toWireTime(clock.wallUs()) };
  };
  const seen = (all: readonly Sighting[]): void => {
    const before = others;
    others = all.filter(({ rig }) => rig === config.rig);
    const now = new Set(others.map(machineOf));
    for (const machine of foundAt.keys()) if (!now.has(machine)) foundAt.delete(machine);
    for (const other of others) {
      if (foundAt.has(machineOf(other))) continue;
      foundAt.set(machineOf(other), toWireTime(clock.wallUs()));
      log.info({ camera_id: other.camera_id, host: other.host }, 'found a node');
    }
    for (const other of before)
      if (!now.has(machineOf(other)))
        log.info({ camera_id: other.camera_id, host: other.host }, 'a node is gone');
    for (const warning of duplicates()) log.warn(warning.message);
    deps.onChange();
  };
  const fail = (error: TouchlineError): void => {
    if (failure?.message !== error.message) log.error({ err: error }, error.message);
    failure = error;
    deps.onChange();
  };
  const open = async (): Promise<void> => {
    try {
      await discovery.open(
        {
          rig: config.rig,
          camera_id: config.camera_id,
          position: config.position,
          version: deps.version,
          hardware_id: hardwareId,
          mqtt_port: config.broker.port,
          exchange_port: config.sync.exchange_port,
          api_port: config.api.port,
        },
        { seen, failed: fail },
      );
    } catch (cause) {
      fail(
        cause instanceof TouchlineError
          ? cause
          : new TouchlineError('discovery_failed', `multicast DNS: ${(cause as Error).message}`, { cause }),
      );
    }
  };
  const retry = async (): Promise<void> => {
    if (failure === undefined) return;
    await discovery.close();
    failure = undefined;
    await open();
    deps.onChange();
  };

  /** The machines of each camera that several say they are, this node's among them. */
  const duplicates = (): WireError[] => {
    const cameras = new Set(others.map(({ camera_id }) => camera_id));
    return [...cameras].flatMap((camera) => {
      const machines = others.filter(({ camera_id }) => camera_id === camera);
      const own = camera === config.camera_id;
      if (!own && machines.length < 2) return [];
      const named = [
        ...(own ? [`this one (${hardwareId})`] : []),
        ...machines.map(({ hardware_id, host }) => `${hardware_id} at ${host}`),
      ];
      return [
        new TouchlineError(
          'duplicate_node',
          `${named.length} machines say they are ${camera}: ${named.join(', ')}`,
          {
            field: 'camera_id',
            details: {
              camera_id: camera,
              machines: [
                ...(own ? [{ hardware_id: hardwareId, host: null }] : []),
                ...machines.map(({ hardware_id, host }) => ({ hardware_id, host })),
              ],
            },
          },
        ).toWire(),
      ];
    });
  };

  return {
    get peers() {
      const cameras = new Map<string, Sighting>();
      for (const other of others)
        if (other.camera_id !== config.camera_id && !cameras.has(other.camera_id))
          cameras.set(other.camera_id, other);
      return [...cameras.values()].map(found);
    },
    get conflicts() {
      return others.filter(({ camera_id }) => camera_id === config.camera_id).map(found);
    },
    get warnings() {
      return [...duplicates(), ...(failure === undefined ? [] : [failure.toWire()])];
    },
    async start() {
      stopRetrying = clock.every(RETRY_MS, 'multicast DNS', retry);
      await open();
    },
    async stop() {
      stopRetrying?.();
      await discovery.close();
    },
  };
}

function machineOf({ camera_id, hardware_id, host }: Sighting): string {
  return `${camera_id} ${hardware_id} ${host}`;
}
