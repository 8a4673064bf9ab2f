import { works } from './link.ts';
import type { NetworkMachine, NetworkTask } from './machine.ts';
import type { NetworkPlan } from './plan.ts';

/** On nothing, it looks around this often. */
const LOOK_SEC = 4;
/** What was seen longer ago may be gone. */
export const FRESH_SEC = 12;
/** Who sees a home network first tells the others before it goes: on the way nothing can be told. */
const TELL_SEC = 3;

/** What to do next; null: nothing now. */
export function decide(machine: NetworkMachine, nowSec: number, plan: NetworkPlan): NetworkTask | null {
  const { link, task } = machine;
  if (link === null || task !== null) return null;
  const { radio } = link;
  switch (radio.kind) {
    case 'absent':
      return null;
    case 'idle':
      return link.wired ? null : alone(machine, nowSec, plan);
    case 'member':
      return plan.accessPoints.includes(radio.ssid) ? onAccessPoint(machine, nowSec, plan) : null;
    case 'open':
      return onAccessPoint(machine, nowSec, plan);
  }
}

/** On nothing, recording or not: what is lost can only be restored. */
function alone(machine: NetworkMachine, nowSec: number, plan: NetworkPlan): NetworkTask | null {
  const { seen, lookedAtSec, aloneSinceSec, before } = machine;
  if (seen === null || nowSec - seen.atSec > FRESH_SEC) {
    if (lookedAtSec === null || nowSec - lookedAtSec >= LOOK_SEC) return { kind: 'look' };
  } else {
    // A recording goes on where it was; otherwise home comes first.
    const wanted = [
      ...(machine.recording && before !== null ? [before] : []),
      ...plan.home,
      ...plan.accessPoints,
    ];
    const ssid = wanted.find(
      (name) => name !== plan.own && inSight(machine, name) && !refused(machine, name, nowSec),
    );
    if (ssid !== undefined) return { kind: 'join', ssid };
    // Who was the network of the rig is waited for: it opens again at once.
    if (before === plan.own && !refused(machine, plan.own, nowSec)) return { kind: 'open' };
  }
  const due = aloneSinceSec !== null && nowSec - aloneSinceSec >= plan.openAfterSec;
  if (due && !refused(machine, plan.own, nowSec)) return { kind: 'open' };
  if (lookedAtSec !== null && nowSec - lookedAtSec < LOOK_SEC) return null;
  return { kind: 'look' };
}

/** The rig has its own network: nothing is touched while it records, and home is looked for while it does not. */
function onAccessPoint(machine: NetworkMachine, nowSec: number, plan: NetworkPlan): NetworkTask | null {
  const { recording, link, seen, lookedAtSec, homeInSight, toldHome } = machine;
  if (recording && link !== null && works(link)) return null;
  const open = link?.radio.kind === 'open';
  const fresh = seen !== null && nowSec - seen.atSec <= FRESH_SEC;
  if (fresh && homeInSight && !refused(machine, homeInSight.ssid, nowSec)) {
    if (nowSec - homeInSight.sinceSec < TELL_SEC) return null;
    return { kind: 'join', ssid: homeInSight.ssid };
  }
  if (fresh && open) {
    const earlier = plan.accessPoints.slice(0, plan.accessPoints.indexOf(plan.own));
    const ssid = earlier.find((name) => inSight(machine, name) && !refused(machine, name, nowSec));
    if (ssid !== undefined) return { kind: 'join', ssid };
  }
  const told = toldHome !== null && plan.home.includes(toldHome) && !refused(machine, toldHome, nowSec);
  // The others are about to leave its access point, whether it can see why or not.
  if (told && open) return { kind: 'join', ssid: toldHome };
  const everySec = told ? LOOK_SEC : plan.lookHomeSec;
  return lookedAtSec === null || nowSec - lookedAtSec >= everySec ? { kind: 'look' } : null;
}

function inSight({ seen }: NetworkMachine, ssid: string): boolean {
  return seen?.networks.some((network) => network.ssid === ssid) === true;
}

/** Whether that network refused and is let alone now. */
export function refused({ refused: all }: NetworkMachine, ssid: string, nowSec: number): boolean {
  const entry = all[ssid];
  return entry !== undefined && nowSec < entry.untilSec;
}
