import { ulid } from 'ulid';
import type { z } from 'zod';
import { COMMANDS, type CommandKey } from '#contracts/commands.ts';
import { firstIssue, TouchlineError } from '#contracts/errors.ts';
import { EVENTS, type EventName, type EventOf } from '#contracts/events.ts';
import { CameraId, type RigId, type ServiceName } from '#contracts/ids.ts';
import { RigSession } from '#contracts/session.ts';
import {
  Availability,
  NodeStatus,
  OfflineState,
  SERVICE_STATES,
  type StatefulService,
} from '#contracts/states.ts';
import { toWireTime } from '#contracts/time.ts';
import { ALL_NODES, filters, parseTopic, type TopicParts, topics } from '#contracts/topics.ts';
import type { BrokerMessage, BrokerPort } from '#ports/broker/broker.ts';
import type { Clock } from '#ports/clock/clock.ts';
import { group } from '../lifecycle.ts';
import type { Logger } from '../logger.ts';
import type { Bus, SeenState } from './bus.ts';
import { createCommandExecutor } from './command-executor.ts';
import { createCommandSocket } from './command-socket.ts';
import { lateConnection } from './late-connection.ts';
import { createOutbox } from './outbox.ts';
import { createRequests } from './requests.ts';
import { createWatches } from './watches.ts';

/** Commands under way when the service stops get this long to answer. */
const COMMAND_GRACE_MS = 2000;
const GOODBYE_LIMIT_MS = 1000;
/** Events kept while the broker is away. */
const EVENTS_KEPT = 1000;

export interface BusOptions {
  readonly rig: RigId;
  readonly node: CameraId;
  readonly service: ServiceName;
  readonly broker: BrokerPort;
  readonly clock: Clock;
  readonly log: Logger;
  /** Unix socket that serves the same commands without a broker; none when left out. */
  readonly socketPath?: string | undefined;
  /** Where the other services of this node serve theirs, to ask them without a broker. */
  readonly socketOf?: ((service: string) => string) | undefined;
}

/**
 * The bus of one service. Watches and handlers may be added before `start` and after. `start` does not wait for the
 * broker. The last will is the service's state with `online: false`; the broker service's is the node's availability.
 */
export function createBus(options: BusOptions): Bus {
  const { rig, node, service, broker, clock } = options;
  const log = options.log.child({ part: 'bus' });
  const runId = ulid();
  const now = (): string => toWireTime(clock.wallUs());
  const link = lateConnection();
  const listeners = new Set<(connected: boolean) => void>();
  let connected = false;

  const sessionTopic = topics.session(rig);
  const availabilityTopic = topics.availability(rig, node);
  const outbox = createOutbox({
    connection: link,
    log,
    eventsKept: EVENTS_KEPT,
    onceOnly: (topic) => topic === sessionTopic,
  });
  const watches = createWatches(link, log);
  const requests = createRequests({
    rig,
    issuedBy: `${node}/${service}`,
    connection: link,
    connected: () => connected,
    onConnected: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    socketOf: (of, other) => (of === node ? options.socketOf?.(other) : undefined),
    clock,
    log,
  });
  const executor = createCommandExecutor({ clock, log });
  const socket = options.socketPath
    ? createCommandSocket({ path: options.socketPath, executor, log })
    : group();
  const lastBodies = new Map<string, string>();

  const setConnected = (is: boolean): void => {
    if (connected === is) return;
    connected = is;
    outbox.setConnected(is);
    for (const listener of [...listeners]) listener(is);
  };

  /** What a service says wrongly is a defect of ours: it is logged, and kept from the others. */
  const checked = <T extends z.ZodType>(schema: T, value: unknown, topic: string): string | undefined => {
    const parsed = schema.safeParse(value);
    if (parsed.success) return JSON.stringify(value);
    log.error({ topic, ...firstIssue(parsed.error) }, 'not published: it does not follow the contract');
    return undefined;
  };
  const retain = (topic: string, schema: z.ZodType, value: unknown): void => {
    const payload = checked(schema, value, topic);
    if (payload !== undefined) outbox.retain(topic, payload);
  };

  const offline = (): string => JSON.stringify({ v: 1, online: false, run_id: runId, at: now() });
  const availability = (state: Availability['state']): Availability => ({
    v: 1,
    state,
    boot_id: clock.bootId,
    at: now(),
  });
  const ownState =
    service in SERVICE_STATES ? topics.state(rig, node, service as StatefulService) : undefined;
  const will = (): { topic: string; payload: string } | undefined => {
    if (service === 'broker')
      return { topic: availabilityTopic, payload: JSON.stringify(availability('offline')) };
    return ownState === undefined ? undefined : { topic: ownState, payload: offline() };
  };

  const receiveCommand = async (message: BrokerMessage): Promise<void> => {
    const parts = parseTopic(message.topic);
    const [, forService, name] = parts?.rest ?? [];
    // An empty message takes a retained one back.
    if (!parts || forService === undefined || name === undefined || message.payload === '') return;
    const reply = await executor.execute({
      service: forService,
      name,
      payload: message.payload,
      retained: message.retain,
      rigWide: parts.node === ALL_NODES,
    });
    try {
      if (message.retain) await link.publish(message.topic, '', { retain: true });
      await link.publish(topics.reply(rig, node, reply.id), JSON.stringify(reply), { retain: false });
    } catch (error) {
      log.warn(
        { err: error, id: reply.id, topic: message.topic },
        'the reply of a command was not delivered',
      );
    }
  };

  let listening = false;
  const listenForCommands = (): void => {
    if (listening) return;
    listening = true;
    const onMessage = (message: BrokerMessage): void => {
      receiveCommand(message).catch((error: unknown) =>
        log.error({ err: error }, 'a command was not answered'),
      );
    };
    for (const target of [node, ALL_NODES])
      link
        .subscribe(filters.serviceCommands(rig, target, service), onMessage)
        .catch((error: unknown) => log.error({ err: error }, 'commands cannot be received'));
  };

  const watchNode = <T>(
    filter: string,
    schemaOf: (parts: TopicParts) => z.ZodType<T> | undefined,
    listener: (from: CameraId, value: T, parts: TopicParts) => void,
    everyMessage = false,
  ): (() => void) =>
    watches.add<T>({
      filter,
      schemaOf: (parts) => (CameraId.safeParse(parts.node).success ? schemaOf(parts) : undefined),
      listener: (parts, value) => listener(parts.node, value, parts),
      everyMessage,
    });

  const sayGoodbye = async (): Promise<void> => {
    if (ownState) outbox.retain(ownState, offline());
    if (service === 'broker') retain(availabilityTopic, Availability, availability('offline'));
    const limit = new AbortController();
    await Promise.race([
      outbox.flush(),
      clock
        .sleepUntil(clock.monoUs() + GOODBYE_LIMIT_MS * 1000, 'the last messages', limit.signal)
        .catch(() => undefined),
    ]);
    limit.abort();
  };

  return {
    runId,
    get connected() {
      return connected;
    },
    onConnected(listener) {
      listeners.add(listener);
      listener(connected);
      return () => listeners.delete(listener);
    },

    setState(of, body) {
      const topic = topics.state(rig, node, of);
      const text = JSON.stringify(body);
      if (lastBodies.get(topic) === text) return;
      lastBodies.set(topic, text);
      retain(topic, SERVICE_STATES[of], { v: 1, online: true, run_id: runId, at: now(), ...body });
    },
    setStatus: (status) => retain(topics.status(rig, node), NodeStatus, status),
    setAvailability: (state) => retain(availabilityTopic, Availability, availability(state)),
    setSession: (session) => retain(sessionTopic, RigSession, session),
    emit(name, body) {
      const topic = topics.event(rig, node, name);
      const payload = checked(EVENTS[name], { v: 1, at: now(), ...body }, topic);
      if (payload !== undefined) outbox.event(topic, payload);
    },

    watchState<S extends StatefulService>(of: S, listener: (from: CameraId, seen: SeenState<S>) => void) {
      const schema = (SERVICE_STATES[of] as z.ZodType).or(OfflineState);
      return watchNode(
        filters.states(rig, of),
        () => schema,
        (from, value) => {
          const state = value as { online: boolean; at: string };
          listener(
            from,
            (state.online ? { online: true, state } : { online: false, at: state.at }) as SeenState<S>,
          );
        },
      );
    },
    watchStatus: (listener) => watchNode(filters.statuses(rig), () => NodeStatus, listener),
    watchAvailability: (listener) => watchNode(filters.availabilities(rig), () => Availability, listener),
    watchSession: (listener) =>
      watches.add({
        filter: sessionTopic,
        schemaOf: () => RigSession,
        listener: (_parts, session) => listener(session),
        everyMessage: false,
      }),
    watchEvents: (listener) =>
      watchNode<EventOf<EventName>>(
        filters.events(rig),
        (parts) => EVENTS[eventName(parts)],
        (from, event, parts) => listener(from, eventName(parts), event),
        true,
      ),

    handle(command, handler) {
      const owner = COMMANDS[command].service;
      if (owner !== service)
        throw new TouchlineError('internal', `${service} cannot handle ${command}: it belongs to ${owner}`);
      executor.handle(command, handler);
      listenForCommands();
    },
    request: <K extends CommandKey>(...args: Parameters<typeof requests.send<K>>) =>
      requests.send<K>(...args),

    async start(signal) {
      await socket.start(signal);
      const lastWill = will();
      link.open(
        broker.connect({ clientId: `${rig}-${node}-${service}`, ...(lastWill ? { will: lastWill } : {}) }),
        setConnected,
      );
    },
    async stop() {
      await executor.close(COMMAND_GRACE_MS);
      await socket.stop();
      await sayGoodbye();
      await link.close();
      setConnected(false);
    },
  };
}

function eventName(parts: TopicParts): EventName {
  return parts.rest.slice(1).join('/') as EventName;
}
