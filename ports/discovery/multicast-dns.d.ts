declare module 'multicast-dns' {
  import type { EventEmitter } from 'node:events';

  export type Answer = { readonly name: string; readonly ttl?: number } & (
    | { readonly type: 'PTR'; readonly data: string }
    | { readonly type: 'TXT'; readonly data: Uint8Array | readonly Uint8Array[] }
    | { readonly type: 'A' | 'AAAA' | 'SRV' | 'NSEC'; readonly data: unknown }
  );
  export interface Response {
    readonly answers: readonly Answer[];
    readonly additionals: readonly Answer[];
  }
  export interface MulticastDns extends EventEmitter {
    on(event: 'response', listener: (response: Response, from: { readonly address: string }) => void): this;
    on(event: 'ready', listener: () => void): this;
    on(event: 'error' | 'warning', listener: (error: Error) => void): this;
    query(name: string, type: 'PTR' | 'TXT', done: (error?: Error | null) => void): void;
    destroy(done?: () => void): void;
  }
  /** `interface`: address of the interface that is joined; `bind`: address the socket is bound to. */
  export default function multicastDns(options: {
    readonly interface: string;
    readonly bind: string;
    readonly loopback?: boolean;
  }): MulticastDns;
}
