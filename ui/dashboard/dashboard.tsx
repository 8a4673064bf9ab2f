import { useEffect, useRef, useState } from 'preact/hooks';
import type { BusEvent, RigView } from '#contracts/http-node.ts';
import { commonRoutes, nodeRoutes } from '#contracts/routes.ts';
import { Notice, ProblemNotice } from '../components/notice.tsx';
import { LostBanner, TopBar } from '../components/top-bar.tsx';
import { useEvents } from '../live/events.ts';
import { type Problem, problemIn } from '../live/http.ts';
import { BeforeMatch } from './before-match.tsx';
import { CameraCard } from './camera-card.tsx';
import { CameraStrip } from './camera-strip.tsx';
import { rigNetwork } from './condition.ts';
import { type Happening, Happenings, toHappening } from './happenings.tsx';
import { Hero } from './hero.tsx';
import { type Leave, PinGate } from './pin-gate.tsx';
import { Recordings } from './recordings.tsx';
import { summarize } from './rig-summary.ts';
import { SetClock } from './set-clock.tsx';
import { StartStop } from './start-stop.tsx';
import { Updates } from './updates.tsx';

/** Something that happened stays on the page until newer things push it off. */
const HAPPENINGS_SHOWN = 6;
const RECHECK_MS = 2000;

export function Dashboard() {
  return <PinGate>{(leave) => <Rig {...leave} />}</PinGate>;
}

function Rig({ operator, recheck, leave }: Leave) {
  const [rig, setRig] = useState<{ view: RigView; heardMs: number }>();
  const [happenings, setHappenings] = useState<Happening[]>([]);
  const [deletions, setDeletions] = useState(0);
  const counter = useRef(0);
  const connection = useEvents(nodeRoutes.events, {
    rig: (data) => setRig({ view: data as RigView, heardMs: performance.now() }),
    event: (data) => {
      if ((data as BusEvent).name === 'recording/deleted') setDeletions((before) => before + 1);
      const happening = toHappening(data, ++counter.current);
      if (happening) setHappenings((all) => [happening, ...all].slice(0, HAPPENINGS_SHOWN));
    },
  });
  useEffect(() => {
    if (connection.state !== 'lost') return undefined;
    const timer = setInterval(recheck, RECHECK_MS);
    return () => clearInterval(timer);
  }, [connection.state]);
  const view = rig?.view;
  const summary = summarize(view);
  const stale = connection.state !== 'live';

  return (
    <>
      <LostBanner connection={connection} what="the camera" />
      <TopBar title={view ? `Rig ${view.rig}` : 'Touchline'} home="/" connection={connection} />
      <main class="dashboard" data-stale={stale} data-phase={summary.phase}>
        <h1 class="visually-hidden">Match recorder</h1>
        <Hero summary={summary} heardMs={rig?.heardMs ?? 0} stale={stale} />
        <StartStop summary={summary} disabled={stale || !operator} operator={operator} />
        {view ? (
          <>
            <OwnNetwork nodes={view.nodes} />
            {operator && summary.phase !== 'recording' ? (
              <SetClock nodes={view.nodes} disabled={stale} />
            ) : null}
            <Updates nodes={view.nodes} operator={operator} stale={stale} />
            <CameraStrip nodes={view.nodes} recording={summary.phase === 'recording'} />
            <BeforeMatch nodes={view.nodes} heardMs={rig?.heardMs ?? 0} operator={operator} stale={stale} />
            <Happenings happenings={happenings} />
            <section aria-labelledby="cameras">
              <h2 id="cameras">Cameras</h2>
              <div class="cards">
                {view.nodes.map((node) => (
                  <CameraCard key={node.camera_id} node={node} problems={summary.problems} />
                ))}
              </div>
            </section>
            <Recordings
              view={view}
              phase={summary.phase}
              deletions={deletions}
              mayDelete={operator}
              stale={stale}
            />
            <Footer view={view} leave={leave} />
          </>
        ) : (
          <p class="soft waiting">
            The page is there; the rig has not spoken yet. A camera takes some seconds to start.
          </p>
        )}
      </main>
    </>
  );
}

function OwnNetwork({ nodes }: { nodes: RigView['nodes'] }) {
  const own = rigNetwork(nodes);
  if (!own) return null;
  return (
    <Notice tone="calm" title={`The rig is its own network: ${own.ssid}`}>
      <p class="soft">
        {own.camera} has opened it, as no known network is near. It has no internet. When a known network
        returns and nothing records, the cameras go back to it by themselves.
      </p>
    </Notice>
  );
}

function Footer({ view, leave }: { view: RigView; leave: Leave['leave'] }) {
  const versions = [...new Set(view.nodes.flatMap(({ status }) => status?.software_version ?? []))];
  return (
    <footer class="soft">
      <p>
        Touchline {versions.join(' and ')} · any camera of the rig serves this page ·{' '}
        <a href={commonRoutes.openapi}>interface for programs</a>
      </p>
      {leave ? <LockButton leave={leave} /> : null}
    </footer>
  );
}

function LockButton({ leave }: { leave: () => Promise<void> }) {
  const [problem, setProblem] = useState<Problem>();
  return (
    <>
      <button
        type="button"
        class="button"
        onClick={() => void leave().catch((error: unknown) => setProblem(problemIn(error)))}
      >
        Lock this page
      </button>
      {problem ? <ProblemNotice problem={problem} what="Not locked" /> : null}
    </>
  );
}
