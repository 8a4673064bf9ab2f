import type { ComponentChildren } from 'preact';
import { type Connection, useNow } from '../live/events.ts';

/** Half-way line, centre circle and touchline of a pitch. */
export function Mark() {
  return (
    <svg viewBox="0 0 28 28" aria-hidden="true">
      <rect x="1" y="1" width="26" height="26" rx="6" fill="var(--calm-ground)" />
      <path d="M5 21h18M14 21V7" stroke="#fff" stroke-width="2" stroke-linecap="round" />
      <path d="M8 21a6 6 0 0 1 12 0" fill="none" stroke="#fff" stroke-width="2" />
    </svg>
  );
}

/** The head of every page: what it is, and whether what it shows is live. */
export function TopBar({
  title,
  home,
  connection,
  children,
}: {
  title: string;
  home: string;
  connection: Connection;
  children?: ComponentChildren;
}) {
  return (
    <header class="top">
      <a class="brand" href={home}>
        <Mark />
        {title}
      </a>
      {children}
      <ConnectionPill connection={connection} />
    </header>
  );
}

const WORDS = { connecting: 'Connecting', live: 'Live', lost: 'Lost' } as const;
const TONES = { connecting: 'unknown', live: 'calm', lost: 'warning' } as const;

function ConnectionPill({ connection }: { connection: Connection }) {
  return (
    <span class="connection">
      <span class="pill" data-tone={TONES[connection.state]} data-testid="connection">
        {WORDS[connection.state]}
      </span>
    </span>
  );
}

/** What is on the page is old: since when, in words that do not go away. */
export function LostBanner({ connection, what }: { connection: Connection; what: string }) {
  const now = useNow(1000);
  if (connection.state !== 'lost') return null;
  const seconds = Math.max(0, Math.round((now - connection.sinceMs) / 1000));
  return (
    <div class="lost" role="alert" data-testid="lost">
      No word from {what} for {seconds} s. What you see is from before; trying again.
    </div>
  );
}
