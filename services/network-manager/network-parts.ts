import type { NodeConfig } from '#contracts/node-config.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { hardwareId } from '#ports/discovery/hardware-id.ts';
import { mdnsDiscovery } from '#ports/discovery/mdns-discovery.ts';
import { networkManager } from '#ports/network/network-manager.ts';
import type { NetworkManagerDeps } from './service.ts';

/** The real parts that the configuration of a node asks for. */
export function networkParts(
  { network }: NodeConfig,
  clock: Clock,
): Pick<NetworkManagerDeps, 'hardwareId' | 'network' | 'discovery'> {
  return {
    // Without any id at least this run of the kernel has one.
    hardwareId: hardwareId() ?? clock.bootId,
    network: network.manager === 'none' ? undefined : networkManager({ clock, interface: network.interface }),
    discovery:
      network.discovery === 'none' ? undefined : mdnsDiscovery({ clock, host: network.discovery_host }),
  };
}
