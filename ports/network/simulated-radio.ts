import { TouchlineError } from '#contracts/errors.ts';
import type { JoinFailure, Link, Radio } from '#domain/network/link.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Network, NetworkEvent } from './network.ts';

/** Radios in one place, and the networks there. All of it happens when the clock says. */
export interface SimulatedRadios {
  /** The radio of a machine. */
  radio(machine: string): Network;
  /** A network of somebody else appears. */
  appear(ssid: string, options?: { readonly key?: string; readonly hidden?: boolean }): void;
  vanish(ssid: string): void;
  /** The power of a machine fails, and its access point with it; or it is back. */
  power(machine: string, on: boolean): void;
  cable(machine: string, plugged: boolean): void;
  /** What controls the network of that machine ends, or runs again. */
  manager(machine: string, running: boolean): void;
  /** What every machine is on now. */
  now(machine: string): Radio;
  /** Changes of a network so far, by machine. */
  readonly changes: ReadonlyMap<string, number>;
}

interface Machine {
  radio: Radio;
  address: string;
  wired: boolean;
  running: boolean;
  readonly listeners: Set<(event: NetworkEvent) => void>;
}

interface Air {
  readonly key: string | undefined;
  readonly hidden: boolean;
  readonly by: string | undefined;
}

const LOOK_US = 2_000_000;
const JOIN_US = 3_000_000;
const OPEN_US = 1_500_000;
/** A wrong key is noticed when the handshake has failed a few times. */
const REFUSE_US = 8_000_000;

export function simulatedRadios(clock: Clock): SimulatedRadios {
  const networks = new Map<string, Air>();
  const machines = new Map<string, Machine>();
  const changes = new Map<string, number>();

  const of = (name: string): Machine => {
    const machine = machines.get(name) ?? {
      radio: { kind: 'idle' },
      address: '',
      wired: false,
      running: true,
      listeners: new Set(),
    };
    machines.set(name, machine);
    return machine;
  };
  const linkOf = (name: string): Link => {
    const { radio, wired, address } = of(name);
    return {
      wired,
      radio,
      addresses: [...(wired ? ['192.168.9.9'] : []), ...(address === '' ? [] : [address])],
      signal_percent: radio.kind === 'member' ? 70 : null,
      stations:
        radio.kind === 'open'
          ? [...machines.values()].filter(
              (other) => other.radio.kind === 'member' && other.radio.ssid === radio.ssid,
            ).length
          : null,
    };
  };
  const tell = (name: string): void => {
    for (const listener of of(name).listeners) listener({ kind: 'changed', link: linkOf(name) });
  };
  const put = (name: string, radio: Radio, address = ''): void => {
    const machine = of(name);
    const before = machine.radio;
    machine.radio = radio;
    machine.address = address;
    if (before.kind === 'open' && !(radio.kind === 'open' && radio.ssid === before.ssid)) vanish(before.ssid);
    tell(name);
  };
  const vanish = (ssid: string): void => {
    networks.delete(ssid);
    for (const [name, { radio }] of machines)
      if (radio.kind === 'member' && radio.ssid === ssid) put(name, { kind: 'idle' });
  };
  const pass = (us: number, what: string, signal?: AbortSignal): Promise<void> =>
    clock.sleepUntil(clock.monoUs() + us, what, signal);
  const refuse = (ssid: string, reason: JoinFailure): TouchlineError =>
    new TouchlineError('network_failed', `joining ${ssid}: ${reason}`, { details: { reason } });
  const gone = (): TouchlineError => new TouchlineError('network_failed', 'NetworkManager does not run');
  const running = (name: string): void => {
    if (!of(name).running) throw gone();
  };
  const count = (name: string): void => void changes.set(name, (changes.get(name) ?? 0) + 1);

  return {
    radio: (name) => ({
      async watch(listener) {
        running(name);
        of(name).listeners.add(listener);
        return () => of(name).listeners.delete(listener);
      },
      async link() {
        running(name);
        return linkOf(name);
      },
      async look(hidden) {
        running(name);
        await pass(LOOK_US, 'the radio to look around');
        return [...networks]
          .filter(([ssid, air]) => air.by !== name && (!air.hidden || hidden.includes(ssid)))
          .map(([ssid]) => ({ ssid, signal_percent: 70 }));
      },
      async join({ ssid, key }, signal) {
        running(name);
        count(name);
        const air = networks.get(ssid);
        if (air === undefined) {
          await pass(JOIN_US, `joining ${ssid}`, signal);
          throw refuse(ssid, 'not_found');
        }
        if (air.key !== key) {
          await pass(REFUSE_US, `joining ${ssid}`, signal);
          throw refuse(ssid, 'wrong_key');
        }
        // On the way it is on neither; what it was on comes back when this fails.
        const { radio: before, address } = of(name);
        if (before.kind !== 'open') put(name, { kind: 'idle' });
        const rollBack = (): void => {
          const still = before.kind === 'open' || (before.kind === 'member' && networks.has(before.ssid));
          put(name, still ? before : { kind: 'idle' }, still ? address : '');
        };
        await pass(JOIN_US, `joining ${ssid}`, signal).catch((error: unknown) => {
          rollBack();
          throw error;
        });
        if (!networks.has(ssid)) {
          rollBack();
          throw refuse(ssid, 'failed');
        }
        put(name, { kind: 'member', ssid }, `10.42.7.${10 + [...machines.keys()].indexOf(name)}`);
      },
      async open({ ssid, key, address }, signal) {
        running(name);
        count(name);
        await pass(OPEN_US, `opening ${ssid}`, signal);
        networks.set(ssid, { key, hidden: false, by: name });
        put(name, { kind: 'open', ssid }, address.split('/')[0]);
      },
      async leave() {
        running(name);
        if (of(name).radio.kind === 'idle') return;
        count(name);
        put(name, { kind: 'idle' });
      },
    }),
    appear(ssid, { key, hidden = false } = {}) {
      networks.set(ssid, { key, hidden, by: undefined });
    },
    vanish,
    power(name, on) {
      put(name, { kind: on ? 'idle' : 'absent' });
    },
    cable(name, plugged) {
      of(name).wired = plugged;
      tell(name);
    },
    manager(name, runs) {
      const machine = of(name);
      machine.running = runs;
      if (runs) return;
      const listeners = [...machine.listeners];
      machine.listeners.clear();
      for (const listener of listeners) listener({ kind: 'gone', error: gone() });
    },
    now: (name) => of(name).radio,
    changes,
  };
}
