import { useEffect, useRef, useState } from 'preact/hooks';
import { Empty } from '../components/notice.tsx';
import { LostBanner, TopBar } from '../components/top-bar.tsx';
import { Devices } from './devices.tsx';
import { Jobs } from './jobs.tsx';
import { hrefOf, type PageRoute, parseRoute } from './page-route.ts';
import { SessionPage } from './session-page.tsx';
import { Sessions } from './sessions.tsx';
import { CentralProvider, useCentral } from './use-central.ts';

const TITLES = {
  sessions: 'Sessions',
  jobs: 'Jobs',
  devices: 'Devices',
  unknown: 'No such page',
} as const;

/** Central's page: what came home, what is made of it, and which cameras it comes from. */
export function Console() {
  const central = useCentral();
  const route = useRoute();
  const main = useRef<HTMLElement>(null);
  const busy = [...central.data.jobs.values()].filter(
    ({ state }) => state === 'running' || state === 'queued',
  ).length;
  const screen = route.page === 'session' ? `session ${route.uid}` : route.page;

  const first = useRef(true);
  // A new screen begins at its top, for eyes and for screen readers.
  useEffect(() => {
    if (route.page !== 'session') document.title = `${TITLES[route.page]} – Touchline`;
    if (!first.current) {
      window.scrollTo(0, 0);
      main.current?.focus({ preventScroll: true });
    }
    first.current = false;
  }, [screen]);

  return (
    <CentralProvider value={central}>
      <button type="button" class="skip" onClick={() => main.current?.focus()}>
        To the content
      </button>
      <LostBanner connection={central.connection} what="the server" />
      <TopBar title="Touchline" home={hrefOf({ page: 'sessions' })} connection={central.connection}>
        <nav class="screens" aria-label="Screens">
          <ScreenLink
            to="sessions"
            current={route.page === 'sessions' || route.page === 'session'}
            text="Sessions"
          />
          <ScreenLink to="jobs" current={route.page === 'jobs'} text="Jobs" count={busy} />
          <ScreenLink to="devices" current={route.page === 'devices'} text="Devices" />
        </nav>
      </TopBar>
      <main
        id="main"
        class="console"
        tabIndex={-1}
        ref={main}
        data-stale={central.connection.state === 'lost'}
      >
        <CurrentScreen route={route} />
      </main>
    </CentralProvider>
  );
}

function CurrentScreen({ route }: { route: PageRoute }) {
  switch (route.page) {
    case 'sessions':
      return <Sessions />;
    case 'session':
      return <SessionPage key={route.uid} uid={route.uid} view={route.view} />;
    case 'jobs':
      return <Jobs />;
    case 'devices':
      return <Devices />;
    case 'unknown':
      return (
        <Empty title="There is no such page">
          <h1 class="visually-hidden">No such page</h1>
          <a class="button" href={hrefOf({ page: 'sessions' })}>
            To the sessions
          </a>
        </Empty>
      );
  }
}

function ScreenLink({
  to,
  current,
  text,
  count = 0,
}: {
  to: 'sessions' | 'jobs' | 'devices';
  current: boolean;
  text: string;
  count?: number;
}) {
  return (
    <a href={hrefOf({ page: to })} aria-current={current ? 'page' : undefined}>
      {text}
      {count > 0 ? (
        <span class="count figures">
          {count}
          <span class="visually-hidden"> under way</span>
        </span>
      ) : null}
    </a>
  );
}

function useRoute(): PageRoute {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const onChange = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', onChange);
    return () => removeEventListener('hashchange', onChange);
  }, []);
  return route;
}
