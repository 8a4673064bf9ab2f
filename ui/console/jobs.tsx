import { useState } from 'preact/hooks';
import type { Job } from '#contracts/http-central.ts';
import { Empty } from '../components/notice.tsx';
import { newestFirst } from './central-data.ts';
import { JobCard } from './job-card.tsx';
import { grouped } from './job-words.ts';
import { Name } from './name.tsx';
import { hrefOf } from './page-route.ts';
import { Screen } from './screen.tsx';
import { useCentralContext } from './use-central.ts';

/** Everything that is made of recordings: what runs, what waits, what ended. */
export function Jobs() {
  const { data } = useCentralContext();
  const { running, waiting, ended } = grouped(newestFirst([...data.jobs.values()]));
  return (
    <Screen
      title="Jobs"
      summary={`${running.length} running, ${waiting.length} waiting`}
      loading={<p role="status">Loading the jobs</p>}
    >
      {data.jobs.size === 0 ? (
        <Empty title="No job yet">
          <p>
            When a recording comes in, a proxy that every browser plays is made of it; when a session is
            complete, its panorama.
          </p>
        </Empty>
      ) : (
        <>
          <Group title="Running" jobs={running} none="Nothing runs." />
          {waiting.length > 0 ? <Group title="Waiting" jobs={waiting} none="Nothing waits." /> : null}
          <Group title="Ended" jobs={ended} none="Nothing has ended yet." />
        </>
      )}
    </Screen>
  );
}

/** So many at first: what ended long ago is rarely looked for. */
const SHOWN = 40;

function Group({ title, jobs, none }: { title: string; jobs: readonly Job[]; none: string }) {
  const [all, setAll] = useState(false);
  const shown = all ? jobs : jobs.slice(0, SHOWN);
  return (
    <section class="section" aria-label={title}>
      <h2>{title}</h2>
      {jobs.length === 0 ? (
        <p class="soft">{none}</p>
      ) : (
        <ul class="jobs" data-rows={title === 'Ended'}>
          {shown.map((job) => (
            <JobCard key={job.job_id} job={job} heading="h3">
              <SessionLink uid={job.session_uid} />
            </JobCard>
          ))}
        </ul>
      )}
      {shown.length < jobs.length ? (
        <button type="button" class="button" onClick={() => setAll(true)}>
          Show all {jobs.length}
        </button>
      ) : null}
    </section>
  );
}

function SessionLink({ uid }: { uid: string }) {
  const { data } = useCentralContext();
  const session = data.sessions.get(uid);
  return (
    <a class="session-link" href={hrefOf({ page: 'session', uid, view: null })}>
      {session ? <Name text={session.session_id} /> : 'its session'}
    </a>
  );
}
