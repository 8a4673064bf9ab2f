import { BlockList, isIPv4 } from 'node:net';

/** Whether a host is on one of the networks of these IPv4 addresses. */
export function nearness(
  own: readonly { readonly address: string; readonly prefix: number }[],
): (host: string) => boolean {
  const near = new BlockList();
  for (const { address, prefix } of own) near.addSubnet(address, prefix);
  return (host) => isIPv4(host) && near.check(host);
}
