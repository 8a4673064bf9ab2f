import type { NetworkMode } from '#contracts/network.ts';
import type { JoinFailure } from './link.ts';
import type { NetworkMachine } from './machine.ts';
import type { NetworkPlan } from './plan.ts';

const REFUSALS = {
  wrong_key: 'refuses the key',
  not_found: 'is out of reach',
  no_address: 'gives no address',
  failed: 'cannot be joined',
} as const satisfies Record<JoinFailure, string>;

/** The mode a machine is in, and why, in words. */
export function describe(
  machine: NetworkMachine,
  nowSec: number,
  plan: NetworkPlan,
): { readonly mode: NetworkMode; readonly reason: string } {
  const { link, task, aloneSinceSec } = machine;
  if (link === null)
    return machine.mode === 'starting'
      ? { mode: 'starting', reason: 'looking what there is' }
      : { mode: 'offline', reason: 'what controls the network does not answer' };
  if (task?.kind === 'join') return { mode: 'joining', reason: `joining ${task.ssid}` };
  if (task?.kind === 'open') return { mode: 'joining', reason: `opening the access point ${plan.own}` };
  const { radio } = link;
  const but = refusals(machine, nowSec, plan);
  if (radio.kind === 'open')
    return { mode: 'access-point', reason: `no home network; this node opened ${radio.ssid}${but}` };
  if (radio.kind === 'member')
    return plan.accessPoints.includes(radio.ssid)
      ? { mode: 'member', reason: `no home network; on the access point ${radio.ssid}${but}` }
      : { mode: 'home', reason: `on ${radio.ssid}` };
  if (link.wired) return { mode: 'wired', reason: 'connected by cable' };
  if (radio.kind === 'absent') return { mode: 'offline', reason: 'there is no radio' };
  const patient = aloneSinceSec !== null && nowSec - aloneSinceSec < plan.openAfterSec;
  return {
    mode: patient ? 'joining' : 'offline',
    reason: patient ? `looking for a network${but}` : `no network, and no access point could be opened${but}`,
  };
}

/** What is in the way of a better network. */
function refusals({ refused }: NetworkMachine, nowSec: number, plan: NetworkPlan): string {
  const all = Object.entries(refused)
    .filter(([ssid, { untilSec }]) => nowSec < untilSec && ssid !== plan.own)
    .map(([ssid, { reason }]) => `${ssid} ${REFUSALS[reason]}`);
  return all.length === 0 ? '' : `; ${all.join(', ')}`;
}
