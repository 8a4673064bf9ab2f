import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import {
  type ExchangeAddress,
  LONGEST_DATAGRAM_BYTES,
  type TimedDatagram,
  type TimeExchange,
} from './time-exchange.ts';

/** One direction between two nodes, as it is now. */
export interface SimulatedWay {
  readonly delayUs: number;
  /** No datagram arrives. */
  readonly cut: boolean;
  /** Every datagram arrives this often. */
  readonly copies: number;
}

/** A network in memory with the moods of a real one. What happens in it follows the clocks of its nodes and nothing else. */
export interface SimulatedNetwork {
  /** The exchange of a node; hosts are names, and `clock` is the one that its program reads. */
  node(address: ExchangeAddress, clock: Clock): TimeExchange;
  /** Changes the way from one host to another, for datagrams sent from now on. */
  way(from: string, to: string, change: Partial<SimulatedWay>): void;
  /** A datagram from anywhere, by anybody. */
  inject(from: ExchangeAddress, to: ExchangeAddress, bytes: Uint8Array): void;
  /** Every datagram sent so far, the lost ones included. */
  readonly sent: readonly { from: ExchangeAddress; to: ExchangeAddress; bytes: Uint8Array }[];
}

export function simulatedNetwork(): SimulatedNetwork {
  const nodes = new Map<string, { clock: Clock; receive: (datagram: TimedDatagram) => void }>();
  const ways = new Map<string, SimulatedWay>();
  const sent: { from: ExchangeAddress; to: ExchangeAddress; bytes: Uint8Array }[] = [];
  const nameOf = ({ host, port }: ExchangeAddress): string => `${host}:${port}`;
  const wayBetween = (from: string, to: string): SimulatedWay =>
    ways.get(`${from} ${to}`) ?? { delayUs: 100, cut: false, copies: 1 };

  const deliver = (from: ExchangeAddress, to: ExchangeAddress, bytes: Uint8Array): void => {
    sent.push({ from, to, bytes });
    const { delayUs, cut, copies } = wayBetween(from.host, to.host);
    const target = nodes.get(nameOf(to));
    if (cut || target === undefined || bytes.length > LONGEST_DATAGRAM_BYTES) return;
    const { clock } = target;
    for (let copy = 0; copy < copies; copy++)
      void clock.sleepUntil(clock.monoUs() + delayUs, 'datagram on its way').then(() => {
        // Who closed in the meantime gets nothing.
        if (nodes.get(nameOf(to)) === target) target.receive({ bytes, from, atMonoUs: clock.monoUs() });
      });
  };

  return {
    node: (address, clock) => ({
      async open(onDatagram) {
        if (nodes.has(nameOf(address)))
          throw new TouchlineError(
            'configuration_invalid',
            `the exchange of time cannot listen on ${nameOf(address)}: it is taken`,
            { field: 'sync.exchange_port' },
          );
        nodes.set(nameOf(address), { clock, receive: onDatagram });
        return address;
      },
      async send(to, write) {
        if (!nodes.has(nameOf(address)))
          throw new TouchlineError('shutting_down', 'the exchange of time is closed');
        deliver(address, to, write(clock.monoUs()));
      },
      isFrom: ({ from }, peer) => nameOf(from) === nameOf(peer),
      async close() {
        nodes.delete(nameOf(address));
      },
    }),
    way(from, to, change) {
      ways.set(`${from} ${to}`, { ...wayBetween(from, to), ...change });
    },
    inject: deliver,
    sent,
  };
}
