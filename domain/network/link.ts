/** What a machine is connected to now. */
export interface Link {
  /** A cable with an address. */
  readonly wired: boolean;
  readonly radio: Radio;
  /** IPv4, without loopback. */
  readonly addresses: readonly string[];
  readonly signal_percent: number | null;
  /** Devices on the access point of this machine; null where that is not told. */
  readonly stations: number | null;
}

export type Radio =
  /** There is no radio of the configured name, or it is switched off. */
  | { readonly kind: 'absent' }
  | { readonly kind: 'idle' }
  /** On a network, with an address. */
  | { readonly kind: 'member'; readonly ssid: string }
  /** This machine is the access point. */
  | { readonly kind: 'open'; readonly ssid: string };

export interface SeenNetwork {
  readonly ssid: string;
  readonly signal_percent: number;
}

/** Why joining or opening came to nothing. */
export type JoinFailure = 'wrong_key' | 'not_found' | 'no_address' | 'failed';

/** Whether others can be reached by it. */
export function works({ wired, radio }: Link): boolean {
  return wired || radio.kind === 'member' || radio.kind === 'open';
}
