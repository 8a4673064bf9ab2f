import type { NetworkMode } from '#contracts/network.ts';
import { decide, FRESH_SEC, refused } from './decide.ts';
import { describe } from './describe.ts';
import { type JoinFailure, type Link, type SeenNetwork, works } from './link.ts';
import type { NetworkPlan } from './plan.ts';

/**
 * Which network a node is on: a state machine without clock or radio. What happens goes in as events, with the instant in seconds of any clock that nothing
 * steps; out comes at most one task. A new task is given only when the one before has ended.
 */
export interface NetworkMachine {
  readonly mode: NetworkMode;
  readonly sinceSec: number;
  /** Why it is in this mode, in words. */
  readonly reason: string;
  /** Null while what controls the network does not answer. */
  readonly link: Link | null;
  readonly recording: boolean;
  readonly task: NetworkTask | null;
  /** Since when it is on nothing; null while it is on something. */
  readonly aloneSinceSec: number | null;
  /** What the last look around found. */
  readonly seen: { readonly atSec: number; readonly networks: readonly SeenNetwork[] } | null;
  /** When it last looked, in vain or not. */
  readonly lookedAtSec: number | null;
  /** A home network that came in sight, and since when. */
  readonly homeInSight: { readonly ssid: string; readonly sinceSec: number } | null;
  /** A home network that another node of the rig sees. */
  readonly toldHome: string | null;
  /** What the radio was on last. */
  readonly before: string | null;
  /** Networks that refused, and until when they are left alone. */
  readonly refused: Readonly<Record<string, Refusal>>;
}

interface Refusal {
  readonly untilSec: number;
  readonly reason: JoinFailure;
  /** So many times in a row. */
  readonly count: number;
}

export type NetworkTask =
  | { readonly kind: 'look' }
  | { readonly kind: 'join'; readonly ssid: string }
  | { readonly kind: 'open' };

export type NetworkHappening =
  | { readonly kind: 'tick' }
  | { readonly kind: 'link'; readonly link: Link | null }
  | { readonly kind: 'recording'; readonly on: boolean }
  | { readonly kind: 'told'; readonly home: string | null }
  | { readonly kind: 'done'; readonly networks?: readonly SeenNetwork[] }
  | { readonly kind: 'failed'; readonly reason: JoinFailure }
  /** The task was ended half-way by whoever carries it out, and what was before is there again: nobody refused. */
  | { readonly kind: 'given-up' };

/** A wrong key does not become right by trying; but somebody may have changed it at the other end. */
const WRONG_KEY_SEC = 300;
const REFUSED_SEC = 15;
/** Each attempt to go home takes the rig's network down: after each that comes to nothing the pause grows by this, … */
const REFUSED_GROWTH = 4;
/** … up to this. */
const REFUSED_LONGEST_SEC = 600;

export function startMachine(nowSec: number): NetworkMachine {
  return {
    mode: 'starting',
    sinceSec: nowSec,
    reason: 'looking what there is',
    link: null,
    recording: false,
    task: null,
    aloneSinceSec: nowSec,
    seen: null,
    lookedAtSec: null,
    homeInSight: null,
    toldHome: null,
    before: null,
    refused: {},
  };
}

export function step(
  machine: NetworkMachine,
  happening: NetworkHappening,
  nowSec: number,
  plan: NetworkPlan,
): { readonly machine: NetworkMachine; readonly task: NetworkTask | null } {
  const heard = forgetHome(hear(machine, happening, nowSec, plan), nowSec, plan);
  const task = decide(heard, nowSec, plan);
  const next = task === null ? heard : { ...heard, task };
  const { mode, reason } = describe(next, nowSec, plan);
  return {
    machine: { ...next, mode, reason, sinceSec: mode === machine.mode ? machine.sinceSec : nowSec },
    task,
  };
}

function hear(
  machine: NetworkMachine,
  happening: NetworkHappening,
  nowSec: number,
  plan: NetworkPlan,
): NetworkMachine {
  switch (happening.kind) {
    case 'tick':
      return machine;
    case 'recording':
      return { ...machine, recording: happening.on };
    case 'told':
      return { ...machine, toldHome: happening.home };
    case 'link': {
      const { link } = happening;
      const radio = link?.radio;
      return {
        ...machine,
        link,
        aloneSinceSec: link !== null && works(link) ? null : (machine.aloneSinceSec ?? nowSec),
        before: radio?.kind === 'member' || radio?.kind === 'open' ? radio.ssid : machine.before,
      };
    }
    case 'done': {
      const { task } = machine;
      const done = { ...machine, task: null };
      if (task === null) return done;
      if (task.kind === 'look') return looked(done, happening.networks ?? [], nowSec, plan);
      const { [networkOf(task, plan)]: _, ...others } = machine.refused;
      return { ...done, refused: others };
    }
    case 'failed': {
      const { task, homeInSight } = machine;
      const over = { ...machine, task: null };
      if (task === null) return over;
      if (task.kind === 'look') return { ...over, lookedAtSec: nowSec };
      const ssid = networkOf(task, plan);
      const count = (machine.refused[ssid]?.count ?? 0) + 1;
      const { reason } = happening;
      const untilSec = nowSec + pauseSec(reason, count, plan.home.includes(ssid));
      return {
        ...over,
        refused: { ...machine.refused, [ssid]: { untilSec, reason, count } },
        homeInSight: homeInSight?.ssid === ssid ? null : homeInSight,
      };
    }
    case 'given-up':
      return { ...machine, task: null };
  }
}

function networkOf(task: Exclude<NetworkTask, { kind: 'look' }>, plan: NetworkPlan): string {
  return task.kind === 'open' ? plan.own : task.ssid;
}

/** How long a network is let alone that refused for the `count`th time. Those of the rig are tried soon: without them there is none. */
function pauseSec(reason: JoinFailure, count: number, home: boolean): number {
  const grown = home
    ? Math.min(REFUSED_LONGEST_SEC, REFUSED_SEC * REFUSED_GROWTH ** (count - 1))
    : REFUSED_SEC;
  // A handshake that failed once may have been lost on the air.
  return reason === 'wrong_key' && count > 1 ? Math.max(WRONG_KEY_SEC, grown) : grown;
}

/** What was in sight at the last look that is long ago may be gone: the others would leave for it. */
function forgetHome(machine: NetworkMachine, nowSec: number, plan: NetworkPlan): NetworkMachine {
  const { homeInSight, seen } = machine;
  const old = seen === null || nowSec - seen.atSec > plan.lookHomeSec + FRESH_SEC;
  return homeInSight !== null && old ? { ...machine, homeInSight: null } : machine;
}

function looked(
  machine: NetworkMachine,
  networks: readonly SeenNetwork[],
  nowSec: number,
  plan: NetworkPlan,
): NetworkMachine {
  const home = plan.home.find(
    (ssid) => networks.some((seen) => seen.ssid === ssid) && !refused(machine, ssid, nowSec),
  );
  const { homeInSight } = machine;
  return {
    ...machine,
    seen: { atSec: nowSec, networks },
    lookedAtSec: nowSec,
    homeInSight:
      home === undefined ? null : homeInSight?.ssid === home ? homeInSight : { ssid: home, sinceSec: nowSec },
  };
}
