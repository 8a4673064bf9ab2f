import { networkInterfaces } from 'node:os';
import type { CameraId } from '#contracts/ids.ts';
import type { NetworkMode } from '#contracts/network.ts';
import type { NodeConfig } from '#contracts/node-config.ts';
import { toWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Discovery } from '#ports/discovery/discovery.ts';
import type { Network } from '#ports/network/network.ts';
import type { Bus, StateBody } from '#runtime/bus/bus.ts';
import { group, type Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { createConnection } from './connection.ts';
import { createNeighbours } from './neighbours.ts';
import { createRecordingWatch } from './recording.ts';

export interface NetworkManagerDeps {
  readonly config: NodeConfig;
  readonly clock: Clock;
  readonly bus: Bus;
  readonly log: Logger;
  readonly version: string;
  /** What tells this board from all others. */
  readonly hardwareId: string;
  /** The radio, with `network.manager: networkmanager`; when left out, somebody else cares for the network. */
  readonly network?: Network | undefined;
  /** With `network.discovery: mdns`. */
  readonly discovery?: Discovery | undefined;
}

const STATE_INTERVAL_MS = 1000;

export function createNetworkManager(deps: NetworkManagerDeps): Unit {
  const { config, clock, bus, log } = deps;
  const startedAt = toWireTime(clock.wallUs());
  const homeSeenBy = new Map<CameraId, string | null>();
  let toldMode: NetworkMode | undefined;
  let stops: (() => void)[] = [];

  const neighbours =
    deps.discovery &&
    createNeighbours({
      config,
      clock,
      log,
      discovery: deps.discovery,
      hardwareId: deps.hardwareId,
      version: deps.version,
      onChange: () => publish(),
    });
  const connection =
    deps.network &&
    createConnection({ config, clock, log, network: deps.network, onChange: () => publish() });
  const recording = createRecordingWatch({
    config,
    clock,
    bus,
    onChange: () => connection?.happened({ kind: 'recording', on: recording.on }),
  });
  const units = group(...[recording, connection, neighbours].filter((unit) => unit !== undefined));

  const describeLink = (): Pick<
    StateBody<'network-manager'>,
    'mode' | 'since' | 'reason' | 'ssid' | 'addresses' | 'signal_percent' | 'stations' | 'home_in_sight'
  > => {
    if (connection === undefined)
      return {
        mode: 'unmanaged',
        since: startedAt,
        reason: 'network.manager is none',
        ssid: null,
        addresses: ownAddresses(),
        signal_percent: null,
        stations: null,
        home_in_sight: null,
      };
    const { mode, reason, link, homeInSight } = connection.machine;
    const radio = link?.radio;
    return {
      mode,
      since: connection.since,
      reason,
      ssid: radio?.kind === 'member' || radio?.kind === 'open' ? radio.ssid : null,
      addresses: [...(link?.addresses ?? ownAddresses())],
      signal_percent: link?.signal_percent ?? null,
      stations: link?.stations ?? null,
      home_in_sight: homeInSight?.ssid ?? null,
    };
  };
  const publish = (): void => {
    const body = {
      ...describeLink(),
      peers: [...(neighbours?.peers ?? [])],
      conflicts: [...(neighbours?.conflicts ?? [])],
      warnings: [...(connection?.warnings ?? []), ...(neighbours?.warnings ?? [])],
    };
    bus.setState('network-manager', body);
    if (toldMode !== undefined && toldMode !== body.mode)
      bus.emit('network/mode', { from: toldMode, to: body.mode, ssid: body.ssid, reason: body.reason });
    toldMode = body.mode;
  };

  return {
    async start(signal) {
      stops = [
        clock.every(STATE_INTERVAL_MS, 'network state', () => {
          connection?.happened({ kind: 'recording', on: recording.on });
          publish();
        }),
        bus.watchState('network-manager', (node, seen) => {
          if (node === config.camera_id) return;
          homeSeenBy.set(node, seen.online ? seen.state.home_in_sight : null);
          const home = [...homeSeenBy.values()].find((ssid) => ssid !== null) ?? null;
          connection?.happened({ kind: 'told', home });
        }),
      ];
      await units.start(signal);
      publish();
    },
    async stop() {
      for (const stop of stops.splice(0)) stop();
      await units.stop();
    },
  };
}

function ownAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap((addresses) =>
    (addresses ?? [])
      .filter(({ family, internal }) => family === 'IPv4' && !internal)
      .map(({ address }) => address),
  );
}
