import type { CentralSession } from '#contracts/http-central.ts';
import { Empty } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { ProgressBar } from '../components/progress-bar.tsx';
import { count, dateText, durationText } from '../live/format.ts';
import { jobsOf, sessionsInOrder } from './central-data.ts';
import { Name } from './name.tsx';
import { hrefOf } from './page-route.ts';
import { Picture } from './picture.tsx';
import { Screen } from './screen.tsx';
import { summarizeSession, thumbnailOf } from './session-summary.ts';
import { useCentralContext } from './use-central.ts';

/** Everything that came home, the newest first. */
export function Sessions() {
  const { data } = useCentralContext();
  const sessions = sessionsInOrder(data);
  return (
    <Screen title="Sessions" summary={count(sessions.length, 'session')} loading={<LoadingCards />}>
      {sessions.length === 0 ? (
        <Empty title="No session yet">
          <p>
            A session appears here as soon as a camera sends its first recording: record with the rig, stop,
            and leave the cameras switched on and in reach of this server. They send by themselves when{' '}
            <code>offload.auto_upload</code> is on; otherwise ask for it on the rig’s own page.
          </p>
        </Empty>
      ) : (
        <ul class="sessions" data-testid="sessions">
          {sessions.map((session) => (
            <SessionCard key={session.session_uid} session={session} />
          ))}
        </ul>
      )}
    </Screen>
  );
}

function SessionCard({ session }: { session: CentralSession }) {
  const { data } = useCentralContext();
  const summary = summarizeSession(session, jobsOf(data, session));
  const thumbnail = thumbnailOf(session);
  return (
    <li class="panel session-card" data-testid="session" data-state={summary.state}>
      <a href={hrefOf({ page: 'session', uid: session.session_uid, view: null })}>
        <div class="session-picture">
          <Picture src={thumbnail} fallback="No picture yet" />
          <span class="duration figures">{durationText(session.duration_sec)}</span>
        </div>
        <div class="session-words">
          <h2>
            <Name text={session.session_id} />
          </h2>
          <p class="soft">
            <time dateTime={session.started_at ?? undefined}>{dateText(session.started_at)}</time>
          </p>
          <p class="cameras">
            {summary.cameras.map(({ camera, state }) => (
              <span key={camera} class="tag" data-state={state}>
                {camera}
                {state === 'here' ? '' : ` ${state}`}
              </span>
            ))}
          </p>
        </div>
        <div class="session-state">
          <Pill tone={summary.tone} text={summary.words} />
          {summary.progress === null ? null : (
            <ProgressBar value={summary.progress} label={`${summary.words} of ${session.session_id}`} />
          )}
        </div>
      </a>
    </li>
  );
}

/** The shape of what will come, so that nothing moves when it is there. */
function LoadingCards() {
  return (
    <div role="status">
      <span class="visually-hidden">Loading the sessions</span>
      <ul class="sessions" aria-hidden="true">
        {[0, 1, 2, 3].map((index) => (
          <li key={index} class="panel session-card loading">
            <div class="session-picture" />
            <div class="session-words" />
          </li>
        ))}
      </ul>
    </div>
  );
}
