import { useEffect, useState } from 'preact/hooks';
import type { RecordingList, RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { Dialog } from '../components/dialog.tsx';
import { Empty } from '../components/notice.tsx';
import { Pill } from '../components/pill.tsx';
import { bytesText, clockTime, dateText, lengthText } from '../live/format.ts';
import { getJson, type Problem, path, problemIn } from '../live/http.ts';
import { DeleteOffloaded } from './delete-offloaded.tsx';
import { HlsVideo } from './hls-video.tsx';
import { type RecordedSession, sessionsOf } from './recorded-sessions.ts';
import type { RigSummary } from './rig-summary.ts';
import { troubleOf } from './trouble-words.ts';

/**
 * Recordings on the cameras, by session; read again whenever the rig's phase, a camera's part or what is brought home or
 * deleted changes.
 */
export function Recordings({
  view,
  phase,
  deletions,
  mayDelete,
  stale,
}: {
  view: RigView;
  phase: RigSummary['phase'];
  /** Files that were deleted since the page is open. */
  deletions: number;
  mayDelete: boolean;
  stale: boolean;
}) {
  const { nodes } = view;
  const [lists, setLists] = useState<{ sessions: RecordedSession[]; problems: [string, Problem][] }>();
  const [watched, setWatched] = useState<{ title: string; address: string }>();
  const cameras = nodes.filter(({ available }) => available).map(({ camera_id }) => camera_id as string);
  const home = nodes
    .flatMap(({ status }) => status?.offload ?? [])
    .filter(({ state }) => state === 'offloaded').length;
  const parts = nodes.map(({ status }) => status?.recorder?.recording?.part ?? 0);
  const occasion = `${cameras.join(' ')} ${phase} ${parts.join(' ')} ${home} ${deletions}`;
  const running = runningSessions(view);

  useEffect(() => {
    const control = new AbortController();
    void readAll(cameras, control.signal).then((read) => {
      if (!control.signal.aborted) setLists(read);
    });
    return () => control.abort();
  }, [occasion]);

  return (
    <section aria-labelledby="recordings">
      <h2 id="recordings">Recordings on the cameras</h2>
      {(lists?.problems ?? []).map(([camera, problem]) => (
        <p key={camera} class="card-problem" data-tone="warning">
          <strong>{camera}</strong> does not tell what it has:{' '}
          <span title={problem.message}>{troubleOf(problem)}</span>
        </p>
      ))}
      {lists === undefined ? (
        <p class="soft">Reading …</p>
      ) : lists.sessions.length === 0 ? (
        <Empty title="No recordings yet">
          <p class="soft">
            What you record appears here, can be watched here, and goes home to the central server by itself.
          </p>
        </Empty>
      ) : (
        <ul class="recordings">
          {lists.sessions.map((session) => (
            <li key={session.uid} class="panel recorded">
              <div class="heading">
                <h3>{session.name}</h3>
                <SessionPill session={session} running={running.has(session.uid)} />
              </div>
              <p class="soft small">
                {dateText(session.startedAt)} · {clockTime(session.durationSec)} ·{' '}
                {bytesText(session.sizeBytes)}
              </p>
              {session.lacks.length === 0 ? null : (
                <p class="card-problem" data-tone="warning">
                  {session.lacks
                    .map(({ camera, seconds }) => `${camera} lacks ${lengthText(seconds)}`)
                    .join(', ')}
                </p>
              )}
              <div class="plays">
                {session.files.map(({ camera, part, playlist }) => (
                  <button
                    key={`${camera} ${part}`}
                    type="button"
                    class="button"
                    disabled={playlist === null}
                    onClick={() =>
                      playlist !== null &&
                      setWatched({
                        title: `${session.name} · ${camera}`,
                        address: throughNode(camera, playlist),
                      })
                    }
                  >
                    ▶ {camera}
                    {part > 1 ? ` part ${part}` : ''}
                  </button>
                ))}
              </div>
            </li>
          ))}
        </ul>
      )}
      {mayDelete ? (
        <DeleteOffloaded
          sessions={(lists?.sessions ?? []).filter(({ uid }) => !running.has(uid))}
          cameras={cameras}
          disabled={stale}
        />
      ) : null}
      {watched ? (
        <Dialog title={watched.title} onClose={() => setWatched(undefined)}>
          <HlsVideo address={watched.address} />
        </Dialog>
      ) : null}
    </section>
  );
}

function SessionPill({ session, running }: { session: RecordedSession; running: boolean }) {
  if (running) return <Pill tone="recording" text="Recording" />;
  return session.offloaded ? (
    <Pill tone="calm" text="Home" />
  ) : (
    <Pill tone="warning" text="Only on the cameras" />
  );
}

/** What is home of these is not all that there will be. */
function runningSessions({ session, nodes }: RigView): ReadonlySet<string> {
  return new Set([
    ...(session?.state === 'preparing' || session?.state === 'recording' ? [session.session_uid] : []),
    ...nodes.flatMap(({ available, status }) => (available && status?.recorder?.session_uid) || []),
  ]);
}

/** The list of each camera, through the node that serves this page. */
async function readAll(
  cameras: readonly string[],
  signal: AbortSignal,
): Promise<{ sessions: RecordedSession[]; problems: [string, Problem][] }> {
  const problems: [string, Problem][] = [];
  const lists = await Promise.all(
    cameras.map(async (camera) => {
      try {
        return await getJson<RecordingList>(
          `${path(nodeRoutes.camera, { camera_id: camera })}/recordings`,
          signal,
        );
      } catch (error) {
        problems.push([camera, problemIn(error)]);
        return undefined;
      }
    }),
  );
  return { sessions: sessionsOf(lists.flatMap((list) => list?.recordings ?? [])), problems };
}

/** `/api/v1/recordings/…` of a camera, as this node hands it on. */
function throughNode(camera: string, playlist: string): string {
  const rest = playlist.startsWith(nodeRoutes.recordings)
    ? playlist.slice(nodeRoutes.recordings.length)
    : `/${playlist}`;
  return `${path(nodeRoutes.camera, { camera_id: camera })}/recordings${rest}`;
}
