import type { CommandArguments, CommandInput, CommandKey, CommandResult } from '#contracts/commands.ts';
import type { EventName, EventOf } from '#contracts/events.ts';
import type { CameraId } from '#contracts/ids.ts';
import type { RigSession } from '#contracts/session.ts';
import type { Availability, NodeStatus, ServiceStateOf, StatefulService } from '#contracts/states.ts';
import type { Unit } from '../lifecycle.ts';

/** What a service says about itself; `v`, `online`, `run_id` and `at` are added by the bus. */
export type StateBody<S extends StatefulService> = Omit<ServiceStateOf<S>, 'v' | 'online' | 'run_id' | 'at'>;

/** A retained state as read: a service that is gone has left only its last will. */
export type SeenState<S extends StatefulService> =
  | { readonly online: true; readonly state: ServiceStateOf<S> }
  | { readonly online: false; readonly at: string };

export interface RequestOptions {
  /** Rejects with `peer_silent`, naming node and command, after this. */
  readonly timeoutMs: number;
  /** Command id; a new ULID when left out. A forwarded command keeps its id, so that it runs once. */
  readonly id?: string;
  readonly issuedBy?: string;
  readonly signal?: AbortSignal;
}

export interface CommandContext {
  readonly id: string;
  readonly issuedBy: string | undefined;
  /** True when it came on the rig-wide topic: every node got it. */
  readonly rigWide: boolean;
}

/**
 * The bus as a service sees it: typed states, events and commands. Everything read is validated against the
 * contracts; a message that does not fit is logged with topic and reason, and dropped.
 * While the broker is away, states are kept (the last of each topic) and events are kept (the last 1000, the oldest
 * dropped first and counted); both are published when it is back. Commands are never kept.
 */
export interface Bus extends Unit {
  /** This run of the service (ULID); part of each of its states. */
  readonly runId: string;
  readonly connected: boolean;
  onConnected(listener: (connected: boolean) => void): () => void;

  /** Sets this service's retained state. Cheap when nothing but `at` changed: then it is not published again. */
  setState<S extends StatefulService>(service: S, body: StateBody<S>): void;
  setStatus(status: NodeStatus): void;
  setAvailability(state: Availability['state']): void;
  setSession(session: RigSession): void;
  emit<E extends EventName>(name: E, body: Omit<EventOf<E>, 'v' | 'at'>): void;

  /** Each watch delivers what is retained now and every change; `node` is the camera id it came from. */
  watchState<S extends StatefulService>(
    service: S,
    listener: (node: CameraId, seen: SeenState<S>) => void,
  ): () => void;
  watchStatus(listener: (node: CameraId, status: NodeStatus) => void): () => void;
  watchAvailability(listener: (node: CameraId, availability: Availability) => void): () => void;
  watchSession(listener: (session: RigSession) => void): () => void;
  watchEvents(listener: (node: CameraId, name: EventName, event: EventOf<EventName>) => void): () => void;

  /**
   * Serves a command of this service, on MQTT (own and rig-wide topic) and on the Unix socket alike. At most once
   * per id: a repeated id gets the reply of the first. Expired and retained commands are refused.
   */
  handle<K extends CommandKey>(
    command: K,
    handler: (input: CommandArguments<K>, context: CommandContext) => Promise<CommandResult<K>>,
  ): void;

  /**
   * Sends a command and waits for its reply. Rejects with the error of the reply. While the broker is away, services of the own node are
   * asked on their Unix sockets.
   */
  request<K extends CommandKey>(
    node: CameraId,
    command: K,
    input: CommandInput<K>,
    options: RequestOptions,
  ): Promise<CommandResult<K>>;
}
