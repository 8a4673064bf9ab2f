import type { TouchlineError } from '#contracts/errors.ts';
import type { Link, SeenNetwork } from '#domain/network/link.ts';

export interface NetworkToJoin {
  readonly ssid: string;
  /** An open network when left out. */
  readonly key?: string | undefined;
  readonly hidden: boolean;
}

export interface AccessPointToOpen {
  readonly ssid: string;
  readonly key: string;
  readonly channel: number;
  /** Of this machine, with the length of the network: 10.42.7.1/24. Others get addresses of that network. */
  readonly address: string;
}

export type NetworkEvent =
  /** Something about the link changed; also when it got better. */
  | { readonly kind: 'changed'; readonly link: Link }
  /** What controls the network is gone; `link` is tried again from then on. */
  | { readonly kind: 'gone'; readonly error: TouchlineError };

/**
 * The radio of this machine, and what its cable does. One change at a time; a change that is not confirmed by success is rolled back by itself, also
 * when this program dies meanwhile. Nothing of it is kept over a restart of the machine. All of it throws `network_failed`.
 */
export interface Network {
  /** Calls at every change until the returned function is called. Throws when there is nothing to watch. */
  watch(listener: (event: NetworkEvent) => void): Promise<() => void>;
  link(): Promise<Link>;
  /** Looks around: networks in reach, the strongest of each name. Hidden ones are told when they are asked for by name. */
  look(hidden: readonly string[]): Promise<readonly SeenNetwork[]>;
  /**
   * Resolves on the network, with an address. Throws with `details.reason`, a JoinFailure; or with the signal's reason, and then what the radio was
   * on before is there again. Leaves that when it succeeds.
   */
  join(network: NetworkToJoin, signal?: AbortSignal): Promise<void>;
  /** Resolves when others can join. Ends by the signal as `join` does. */
  open(accessPoint: AccessPointToOpen, signal?: AbortSignal): Promise<void>;
  /** Leaves the network, or closes the access point. Safe on none. */
  leave(): Promise<void>;
}
