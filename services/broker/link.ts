import type { CameraId, RigId } from '#contracts/ids.ts';
import type { Availability, BrokerState } from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { ALL_NODES, filters, isRetainedTopic, topics } from '#contracts/topics.ts';
import type { BrokerConnection, BrokerMessage, BrokerPort } from '#ports/broker/broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { createOutbox } from '#runtime/bus/outbox.ts';
import type { Unit } from '#runtime/lifecycle.ts';
import type { Logger } from '#runtime/logger.ts';
import { forwardCommands } from './command-forwarding.ts';
import { createSessionExchange } from './session-exchange.ts';

const GOODBYE_LIMIT_MS = 1000;

export interface LinkOptions {
  readonly rig: RigId;
  readonly node: CameraId;
  /** A peer gets the rig commands that are published here; central gives its commands to this node. */
  readonly other: { readonly kind: 'peer'; readonly camera: CameraId } | { readonly kind: 'central' };
  readonly local: BrokerPort;
  readonly remote: BrokerPort;
  /** Events and replies kept while the link is down. */
  readonly queueMessages: number;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Link extends Unit {
  state(): BrokerState['links'][number];
}

/**
 * One direction of a bridge: this node's own output goes to another broker, whose own link brings its output here.
 * The will over there is this node's availability, so a node that dies is seen to be offline by each of its peers.
 */
export function createLink(options: LinkOptions): Link {
  const { rig, node, other, clock } = options;
  const name = other.kind === 'peer' ? other.camera : 'central';
  const log = options.log.child({ link: name });
  const sessionTopic = topics.session(rig);
  const availabilityTopic = topics.availability(rig, node);
  let parts: ReturnType<typeof open> | undefined;
  let connected = false;

  const offline = (): string => {
    const gone: Availability = {
      v: 1,
      state: 'offline',
      boot_id: clock.bootId,
      at: toWireTime(clock.wallUs()),
    };
    return JSON.stringify(gone);
  };

  const open = () => {
    const local = options.local.connect({ clientId: `${rig}-${node}-link-${name}` });
    const remote = options.remote.connect({
      clientId: `${rig}-${node}-link`,
      will: { topic: availabilityTopic, payload: offline() },
    });
    const outbox = createOutbox({ connection: remote, log, eventsKept: options.queueMessages });
    const session = createSessionExchange({ topic: sessionTopic, remote, log });
    const commands = forwardCommands({
      to: other.kind === 'peer' ? remote : local,
      rig,
      node: other.kind === 'peer' ? other.camera : node,
      rigWideOnly: other.kind === 'peer',
      log,
    });
    return { local, remote, outbox, session, commands };
  };

  const subscribe = async (
    connection: BrokerConnection,
    filter: string,
    handler: (message: BrokerMessage) => void,
  ): Promise<void> => {
    await connection.subscribe(filter, handler);
  };

  /** Own retained messages first; then what the other broker had retained is known, and the session may follow. */
  const comeUp = async ({ remote, outbox, session }: ReturnType<typeof open>): Promise<void> => {
    outbox.setConnected(true);
    await outbox.flush();
    const end = await remote.subscribe(sessionTopic, () => undefined);
    await end();
    if (connected) session.resume();
  };

  return {
    async start() {
      const opened = open();
      parts = opened;
      const { local, remote, outbox, session, commands } = opened;
      await subscribe(remote, sessionTopic, session.receiveThere);
      remote.onConnected((is) => {
        connected = is;
        log.info({ connected: is }, is ? 'link up' : 'link down');
        if (is) {
          comeUp(opened).catch((error: unknown) => log.error({ err: error }, 'the link did not come up'));
          return;
        }
        outbox.setConnected(false);
        session.pause();
      });
      for (const filter of filters.ownOutput(rig, node))
        await subscribe(local, filter, ({ topic, payload }) => {
          if (isRetainedTopic(topic)) outbox.retain(topic, payload);
          else outbox.event(topic, payload);
        });
      await subscribe(local, sessionTopic, session.receiveHere);
      const onCommand = (message: BrokerMessage): void => {
        commands.receive(message).catch((error: unknown) => log.error({ err: error }, 'a command was lost'));
      };
      const [from, target] = other.kind === 'peer' ? [local, other.camera] : [remote, node];
      for (const asked of [target, ALL_NODES]) await subscribe(from, filters.commands(rig, asked), onCommand);
    },
    async stop() {
      if (!parts) return;
      const { local, remote, outbox } = parts;
      // One round trip behind it, what the services said last has arrived here.
      await (await local.subscribe(availabilityTopic, () => undefined))();
      await local.close();
      if (connected) {
        outbox.retain(availabilityTopic, offline());
        const limit = new AbortController();
        await Promise.race([
          outbox.flush(),
          clock
            .sleepUntil(clock.monoUs() + GOODBYE_LIMIT_MS * 1000, 'the last messages of a link', limit.signal)
            .catch(() => undefined),
        ]);
        limit.abort();
      }
      await remote.close();
      connected = false;
    },
    state: () => ({
      name,
      connected,
      queued: parts?.outbox.waiting ?? 0,
      dropped: parts?.outbox.eventsDropped ?? 0,
      commands_dropped: parts?.commands.dropped ?? 0,
    }),
  };
}
