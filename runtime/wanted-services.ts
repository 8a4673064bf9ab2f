import type { NodeConfig } from '#contracts/node-config.ts';

/** The services that a node may have nothing to do for: without panel, sensors or network of its own nobody misses them. */
export type OptionalService = 'signals' | 'health' | 'network-manager' | 'updater';

/** Whether a node is configured to have something to do for a service. */
export function isWanted(
  service: OptionalService,
  { signals, sensors, network, updates }: NodeConfig,
): boolean {
  switch (service) {
    case 'signals':
      return signals.panel !== 'none' || signals.beeper !== 'none';
    case 'health':
      return Object.values(sensors).some((sensor) => sensor !== undefined && sensor !== 'none');
    case 'network-manager':
      return network.manager !== 'none' || network.discovery !== 'none';
    case 'updater':
      return updates.channel !== 'none';
  }
}
