import { useEffect, useState } from 'preact/hooks';

/** How the page hears of the server: `lost` says since when (milliseconds of `performance.now`). */
export type Connection =
  | { readonly state: 'connecting' }
  | { readonly state: 'live' }
  | { readonly state: 'lost'; readonly sinceMs: number };

/** The server beats every two seconds: two missed beats and a bit are a lost connection. */
const SILENCE_MS = 5000;
const CHECK_MS = 500;
const RECONNECT_MS = 1000;

export interface LiveOptions {
  readonly url: string;
  /** One handler per event name; it gets the parsed data. */
  readonly on: Readonly<Record<string, (data: unknown) => void>>;
  readonly onConnection: (connection: Connection) => void;
}

/**
 * Follows a stream of server-sent events until it is told to end. The browser resumes a broken stream by itself, with
 * `Last-Event-ID`; one that is silent, or that the browser has given up, is opened anew.
 */
export function followEvents({ url, on, onConnection }: LiveOptions): () => void {
  let source: EventSource;
  let heardMs = performance.now();
  let lostSinceMs: number | undefined;
  let openedMs = 0;

  const heard = (): void => {
    heardMs = performance.now();
    lostSinceMs = undefined;
    onConnection({ state: 'live' });
  };
  const lost = (): void => {
    lostSinceMs ??= heardMs;
    onConnection({ state: 'lost', sinceMs: lostSinceMs });
  };
  const open = (): void => {
    openedMs = performance.now();
    source = new EventSource(url);
    source.onopen = heard;
    source.onerror = lost;
    source.addEventListener('beat', heard);
    for (const [name, handle] of Object.entries(on))
      source.addEventListener(name, (event) => {
        heard();
        handle(JSON.parse((event as MessageEvent<string>).data));
      });
  };
  const timer = setInterval(() => {
    const now = performance.now();
    const silent = now - heardMs > SILENCE_MS;
    const closed = source.readyState === EventSource.CLOSED;
    if (silent) lost();
    if ((closed && now - openedMs > RECONNECT_MS) || (silent && now - openedMs > SILENCE_MS)) {
      source.close();
      open();
    }
  }, CHECK_MS);

  onConnection({ state: 'connecting' });
  open();
  return () => {
    clearInterval(timer);
    source.close();
  };
}

/** The connection as part of a component's state; the handlers are those of the first rendering. */
export function useEvents(url: string, on: LiveOptions['on']): Connection {
  const [connection, setConnection] = useState<Connection>({ state: 'connecting' });
  useEffect(
    () =>
      followEvents({
        url,
        on,
        onConnection: (next) =>
          setConnection((now) =>
            now.state === next.state &&
            (next.state !== 'lost' || now.state !== 'lost' || now.sinceMs === next.sinceMs)
              ? now
              : next,
          ),
      }),
    [url],
  );
  return connection;
}

/** The time of `performance.now`, again and again: for what counts seconds on the page. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
