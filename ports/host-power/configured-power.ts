import type { NodeConfig } from '#contracts/node-config.ts';
import type { HostPower } from './host-power.ts';
import { logindPower } from './logind.ts';

/** What the configuration allows; undefined when it allows nothing. */
export function hostPower({ power }: Pick<NodeConfig, 'power'>): HostPower | undefined {
  return power.off === 'logind' ? logindPower() : undefined;
}
