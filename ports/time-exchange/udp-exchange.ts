import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { isIP, isIPv6 } from 'node:net';
import { TouchlineError } from '#contracts/errors.ts';
import type { Clock } from '#ports/clock/clock.ts';
import {
  type ExchangeAddress,
  LONGEST_DATAGRAM_BYTES,
  type TimedDatagram,
  type TimeExchange,
} from './time-exchange.ts';

/** A name is looked up again after this, for hosts get new addresses. */
const NAME_KEPT_US = 30_000_000;

/** UDP sockets of this machine. */
export function udpExchange(options: {
  readonly clock: Clock;
  /** Address to listen on, and the port; 0 takes a free one. */
  readonly listen: ExchangeAddress;
}): TimeExchange {
  const { clock, listen } = options;
  const ipv6 = isIPv6(listen.host);
  const known = new Map<string, { readonly address: string; readonly atUs: number }>();
  let socket: Socket | undefined;

  const addressOf = async (host: string): Promise<string> => {
    if (isIP(host)) return host;
    const kept = known.get(host);
    if (kept && clock.monoUs() - kept.atUs < NAME_KEPT_US) return kept.address;
    try {
      const { address } = await lookup(host, { family: ipv6 ? 6 : 4 });
      known.set(host, { address, atUs: clock.monoUs() });
      return address;
    } catch (cause) {
      throw new TouchlineError('peer_silent', `${host} is not known by name`, { cause });
    }
  };

  return {
    async open(onDatagram) {
      const opened = createSocket({
        type: ipv6 ? 'udp6' : 'udp4',
        // Without this a datagram to an address still waits for a turn of the event loop, after its time stamp.
        lookup: (host, _options, done) => done(null, host, ipv6 ? 6 : 4),
      });
      opened.on('message', (bytes, { address, port }) => {
        const datagram: TimedDatagram = {
          bytes,
          from: { host: address, port },
          atMonoUs: clock.monoUs(),
        };
        if (bytes.length <= LONGEST_DATAGRAM_BYTES) onDatagram(datagram);
      });
      try {
        const listening = once(opened, 'listening');
        opened.bind(listen.port, listen.host);
        await listening;
      } catch (cause) {
        opened.close();
        throw new TouchlineError(
          'configuration_invalid',
          `the exchange of time cannot listen on ${listen.host}:${listen.port}: ${(cause as Error).message}`,
          { field: 'sync.exchange_port', cause },
        );
      }
      // Later errors are those of one datagram that could not be sent; its sender is told by `send`.
      opened.on('error', () => undefined);
      socket = opened;
      const { address, port } = opened.address();
      return { host: address, port };
    },
    async send(to, write) {
      const address = await addressOf(to.host);
      const from = socket;
      if (from === undefined) throw new TouchlineError('shutting_down', 'the exchange of time is closed');
      await new Promise<void>((resolve, reject) => {
        from.send(write(clock.monoUs()), to.port, address, (cause) => {
          if (cause)
            reject(
              new TouchlineError('peer_silent', `${to.host} cannot be reached: ${cause.message}`, { cause }),
            );
          else resolve();
        });
      });
    },
    isFrom({ from }, peer) {
      const address = isIP(peer.host) ? peer.host : known.get(peer.host)?.address;
      return from.host === address && from.port === peer.port;
    },
    async close() {
      const closing = socket;
      socket = undefined;
      if (!closing) return;
      closing.close();
      await once(closing, 'close');
    },
  };
}
