/** Where a node takes part in the exchange of time: a host name or address, and a UDP port. */
export interface ExchangeAddress {
  readonly host: string;
  readonly port: number;
}

export interface TimedDatagram {
  readonly bytes: Uint8Array;
  readonly from: ExchangeAddress;
  /** Monotonic microseconds when this program got it: never before it arrived. */
  readonly atMonoUs: number;
}

/**
 * Small datagrams, each stamped with monotonic time as close to the network as this program comes. They may be lost, doubled, late,
 * out of order, or from anybody: what they say is for the caller to judge.
 */
export interface TimeExchange {
  /**
   * Listens from now on. Returns where. Throws `configuration_invalid` that names the setting when the address cannot be had.
   * `onDatagram` must not throw.
   */
  open(onDatagram: (datagram: TimedDatagram) => void): Promise<ExchangeAddress>;
  /**
   * Sends what `write` makes. It is called at the last moment, with the monotonic time that counts as the time of sending: never after
   * the datagram left. Whether it arrives is not told. Rejects with `peer_silent` when there is no such host, or no way to it.
   */
  send(to: ExchangeAddress, write: (sentMonoUs: number) => Uint8Array): Promise<void>;
  /** Whether a datagram came from that node: a host may be a name, the sender of a datagram is an address. */
  isFrom(datagram: TimedDatagram, peer: ExchangeAddress): boolean;
  close(): Promise<void>;
}

/** Longest datagram that is taken; ours are a third of it. */
export const LONGEST_DATAGRAM_BYTES = 1000;
