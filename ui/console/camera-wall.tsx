import { useEffect, useRef, useState } from 'preact/hooks';
import type { CentralSession, Job } from '#contracts/http-central.ts';
import { ProgressBar } from '../components/progress-bar.tsx';
import { Icon } from './icon.tsx';
import { jobState, proxyJobOf, remainingText } from './job-words.ts';
import { hrefOf } from './page-route.ts';
import type { Playback } from './playback/playback.ts';
import { holeAt, standingOf, type Track } from './playback/timeline.ts';
import { usePlaying } from './playback/use-playback.ts';
import { offsetText } from './playback/words.ts';
import { percent } from './session-summary.ts';

/** The cameras beside each other, or one of them large. */
export function CameraWall({
  playback,
  session,
  tracks,
  jobs,
}: {
  playback: Playback;
  session: CentralSession;
  tracks: readonly Track[];
  jobs: readonly Job[];
}) {
  const [large, setLarge] = useState<string | null>(null);
  return (
    <div class="camera-wall" data-large={large !== null} data-count={tracks.length}>
      {tracks.map((track) => (
        <Tile
          key={track.name}
          playback={playback}
          session={session}
          track={track}
          jobs={jobs}
          large={large === track.name}
          onLarge={() => setLarge((now) => (now === track.name ? null : track.name))}
        />
      ))}
    </div>
  );
}

function Tile({
  playback,
  session,
  track,
  jobs,
  large,
  onLarge,
}: {
  playback: Playback;
  session: CentralSession;
  track: Track;
  jobs: readonly Job[];
  large: boolean;
  onLarge: () => void;
}) {
  const video = useRef<HTMLVideoElement>(null);
  const { name, clips } = track;
  useEffect(() => {
    const element = video.current;
    if (!element) return undefined;
    const detach = playback.attach(name, element);
    // The large button has keys; a picture that is clicked is only a shorter way to it.
    const toggle = (): void => playback.toggle();
    element.addEventListener('click', toggle);
    return () => {
      element.removeEventListener('click', toggle);
      detach();
    };
  }, [playback, name]);
  useEffect(() => playback.setClips(name, clips), [playback, name, clips]);
  const state = usePlaying(playback, (view) => view.videos[name]?.state ?? 'none');
  const label = `${large ? 'Show all cameras beside each other' : `Enlarge ${name}`}`;
  return (
    <figure class="tile" data-large={large} data-state={state} data-testid={`tile-${name}`}>
      <video
        ref={video}
        muted
        playsInline
        disablePictureInPicture
        aria-label={`Recording of ${name}`}
        onDblClick={onLarge}
      />
      <figcaption>
        <span class="tile-name">{name}</span>
        <Offset playback={playback} track={track} />
      </figcaption>
      <TileNotice playback={playback} session={session} track={track} jobs={jobs} state={state} />
      <button
        type="button"
        class="tile-button"
        aria-label={label}
        aria-pressed={large}
        title={label}
        onClick={onLarge}
      >
        <Icon name={large ? 'reduce' : 'enlarge'} />
      </button>
    </figure>
  );
}

function Offset({ playback, track }: { playback: Playback; track: Track }) {
  const { name } = track;
  const standing = usePlaying(playback, (view) => standingOf(track, view.atSec));
  const text = usePlaying(playback, (view) => {
    const video = view.videos[name];
    return video?.state === 'ready' ? offsetText(video.offsetSec) : '';
  });
  // What is shown then is the nearest frame there is, which says nothing about the playing.
  if (text !== '' && standing !== 'within')
    return (
      <span class="tile-offset" data-testid={`offset-${name}`}>
        {standing === 'before' ? 'not recording yet' : 'no longer recording'}
      </span>
    );
  return (
    <span class="tile-offset figures" title="Picture minus common clock" data-testid={`offset-${name}`}>
      <span class="visually-hidden">Picture minus common clock: </span>
      {text}
    </span>
  );
}

const NOTHING_HERE = {
  before: 'is not recording yet',
  within: 'recorded nothing here',
  after: 'is no longer recording',
} as const;

/** Why there is no picture. */
function TileNotice({
  playback,
  session,
  track,
  jobs,
  state,
}: {
  playback: Playback;
  session: CentralSession;
  track: Track;
  jobs: readonly Job[];
  state: string;
}) {
  const key = usePlaying(playback, (view) => view.videos[track.name]?.clip?.key ?? null);
  const hole = usePlaying(playback, (view) => holeAt(track, view.atSec)?.words ?? null);
  const problem = usePlaying(playback, (view) => view.videos[track.name]?.problem ?? null);
  const standing = usePlaying(playback, (view) => standingOf(track, view.atSec));
  switch (state) {
    case 'ready':
      return hole === null ? null : <p class="tile-gap">{hole}</p>;
    case 'loading':
      return <p class="tile-notice soft-loading">Loading</p>;
    case 'no-proxy':
      return <NoProxy job={key === null ? undefined : proxyJobOf(jobs, key)} name={track.name} />;
    case 'failed':
      return (
        <div class="tile-notice" role="alert">
          <p>{problem}</p>
          <button type="button" class="button" onClick={() => playback.retry()}>
            Try again
          </button>
        </div>
      );
    default:
      return (
        <p class="tile-notice">
          {track.clips.length > 0
            ? `${track.name} ${NOTHING_HERE[standing]}`
            : session.missing.includes(track.name)
              ? `${track.name} has not sent its recording yet`
              : `Nothing of ${track.name} can be placed in time`}
        </p>
      );
  }
}

function NoProxy({ job, name }: { job: Job | undefined; name: string }) {
  if (job?.state === 'running')
    return (
      <div class="tile-notice">
        <p>
          Proxy is being made, <span class="figures">{percent(job.progress)}</span>
        </p>
        <ProgressBar value={job.progress} label={`Proxy of ${name}`} />
        {job.remaining_sec === null ? null : <p class="figures">{remainingText(job.remaining_sec)} left</p>}
      </div>
    );
  if (job?.state === 'queued') return <p class="tile-notice">The proxy waits for a worker</p>;
  return (
    <div class="tile-notice">
      <p>{job ? `The proxy: ${jobState(job).word.toLowerCase()}` : 'No proxy was made yet'}</p>
      <a class="button" href={hrefOf({ page: 'jobs' })}>
        To the jobs
      </a>
    </div>
  );
}
