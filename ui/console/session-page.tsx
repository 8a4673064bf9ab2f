import { useEffect, useLayoutEffect, useMemo } from 'preact/hooks';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import { Empty, Notice, ProblemNotice } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { ProgressBar } from '../components/progress-bar.tsx';
import { count, dateText, durationText } from '../live/format.ts';
import { CameraWall } from './camera-wall.tsx';
import { jobsOf } from './central-data.ts';
import { JobCard } from './job-card.tsx';
import { Name } from './name.tsx';
import { hrefOf, type SessionView } from './page-route.ts';
import { PanoramaPanel } from './panorama-panel.tsx';
import { PanoramaView } from './panorama-view.tsx';
import { panoramaTrack, timelineOf } from './playback/timeline.ts';
import { usePlayback } from './playback/use-playback.ts';
import { RecordingTable } from './recording-table.tsx';
import { SeekBar } from './seek-bar.tsx';
import { summarizeSession } from './session-summary.ts';
import { Transport } from './transport.tsx';
import { useCentralContext } from './use-central.ts';
import { useManifests } from './use-manifests.ts';

/** One session: its pictures first, then what is known about them. */
export function SessionPage({ uid, view }: { uid: string; view: SessionView | null }) {
  const { data, problem, reload } = useCentralContext();
  const session = data.sessions.get(uid);
  if (session) return <Session session={session} jobs={jobsOf(data, session)} view={view} />;
  if (data.loaded)
    return (
      <Empty title="There is no such session">
        <h1 class="visually-hidden">No such session</h1>
        <p>It may have been erased, or the address is of another server.</p>
        <a class="button" href={hrefOf({ page: 'sessions' })}>
          To the sessions
        </a>
      </Empty>
    );
  if (problem)
    return (
      <ProblemNotice problem={problem} what="The session could not be loaded">
        <h1 class="visually-hidden">Session</h1>
        <button type="button" class="button" onClick={reload}>
          Try again
        </button>
      </ProblemNotice>
    );
  return (
    <div role="status" class="stage-loading panel">
      <h1 class="loading-title">Loading the session</h1>
    </div>
  );
}

function Session({
  session,
  jobs,
  view,
}: {
  session: CentralSession;
  jobs: readonly Job[];
  view: SessionView | null;
}) {
  const { connection } = useCentralContext();
  const { manifests, problems } = useManifests(session);
  const timeline = useMemo(() => timelineOf(session, manifests), [session, manifests]);
  const panorama = useMemo(() => panoramaTrack(session, timeline), [session, timeline]);
  const shown = view === 'panorama' && session.panorama && panorama ? 'panorama' : 'cameras';
  const playback = usePlayback();
  const fps = timeline.tracks.find(({ clips }) => clips.length > 0)?.clips[0]?.fps ?? 30;
  // Before the pictures, which may ask for a moment of it.
  useLayoutEffect(
    () => playback.setDuration(timeline.durationSec, fps),
    [playback, timeline.durationSec, fps],
  );
  useEffect(() => {
    document.title = `${session.session_id} – Touchline`;
  }, [session.session_id]);
  const live = connection.state === 'live';
  useEffect(() => {
    if (live) playback.retry();
  }, [live, playback]);
  const tracks = useMemo(
    () => (panorama ? [...timeline.tracks, panorama] : timeline.tracks),
    [timeline, panorama],
  );

  return (
    <>
      <SessionHead session={session} jobs={jobs} />
      <section class="stage panel" aria-label="Player">
        <Views uid={session.session_uid} shown={shown} panorama={session.panorama !== null} />
        {shown === 'panorama' && session.panorama && panorama ? (
          <PanoramaView playback={playback} panorama={session.panorama} track={panorama} />
        ) : (
          <CameraWall playback={playback} session={session} tracks={timeline.tracks} jobs={jobs} />
        )}
        <div class="controls">
          <SeekBar playback={playback} tracks={tracks} durationSec={timeline.durationSec} />
          <Transport
            playback={playback}
            startUs={timeline.startUs}
            playable={tracks.some(({ clips }) => clips.some(({ url }) => url !== null))}
          />
        </div>
      </section>
      <Remarks session={session} unplaced={timeline.unplaced.length} problems={problems} />
      <PanoramaPanel session={session} jobs={jobs} />
      <RecordingTable
        session={session}
        manifests={manifests}
        timeline={timeline}
        onSeek={(atSec) => {
          playback.seek(atSec);
          window.scrollTo({ top: 0 });
        }}
      />
      {jobs.length === 0 ? null : (
        <section class="section" aria-labelledby="session-jobs">
          <h2 id="session-jobs">Jobs of this session</h2>
          <ul class="jobs" data-rows={jobs.every(({ state }) => state !== 'running' && state !== 'queued')}>
            {jobs.map((job) => (
              <JobCard key={job.job_id} job={job} heading="h3" />
            ))}
          </ul>
        </section>
      )}
    </>
  );
}

function SessionHead({ session, jobs }: { session: CentralSession; jobs: readonly Job[] }) {
  const summary = summarizeSession(session, jobs);
  return (
    <div class="session-head">
      <div>
        <h1>
          <Name text={session.session_id} />
        </h1>
        <p class="soft">
          {dateText(session.started_at)} · {durationText(session.duration_sec)} ·{' '}
          {count(session.cameras.length, 'camera')}
        </p>
      </div>
      <div class="session-head-state" data-testid="session-state">
        <Pill tone={summary.tone} text={summary.words} />
        {summary.progress === null ? null : <ProgressBar value={summary.progress} label={summary.words} />}
      </div>
    </div>
  );
}

function Views({ uid, shown, panorama }: { uid: string; shown: SessionView; panorama: boolean }) {
  const link = (view: SessionView, text: string) => (
    <a href={hrefOf({ page: 'session', uid, view })} aria-current={shown === view ? 'page' : undefined}>
      {text}
    </a>
  );
  return (
    <nav class="views" aria-label="What is shown">
      {link('cameras', 'Cameras')}
      {panorama ? link('panorama', 'Panorama') : <span class="soft">No panorama yet</span>}
    </nav>
  );
}

/** What an analyst has to know before trusting the pictures. */
function Remarks({
  session,
  unplaced,
  problems,
}: {
  session: CentralSession;
  unplaced: number;
  problems: readonly string[];
}) {
  const own = session.recordings.filter(({ master_time }) => master_time === false);
  if (own.length === 0 && unplaced === 0 && problems.length === 0) return null;
  return (
    <Notice tone="warning" title="Worth knowing">
      {own.length > 0 ? (
        <p>
          {own.map(({ camera_id }) => camera_id).join(', ')}: placed by the camera’s own clock, whose offset
          from the master was not known. The pictures may be out of step by as much as the clocks were.
        </p>
      ) : null}
      {unplaced > 0 ? (
        <p>
          {count(unplaced, 'recording')} without a manifest: not shown in the player, but there to download.
        </p>
      ) : null}
      {problems.map((problem) => (
        <p key={problem}>{problem}</p>
      ))}
    </Notice>
  );
}
