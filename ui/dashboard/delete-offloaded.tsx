import { useState } from 'preact/hooks';
import type { DeleteOffloadedResult } from '#contracts/commands.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { Dialog } from '../components/dialog.tsx';
import { Notice, ProblemNotice } from '../components/notice.tsx';
import { bytesText, count } from '../live/format.ts';
import { deleteJson, type Problem, path, problemIn } from '../live/http.ts';
import type { RecordedSession } from './recorded-sessions.ts';

interface Outcome {
  readonly camera: string;
  readonly result?: DeleteOffloadedResult;
  readonly problem?: Problem;
}

/** Makes room on the cameras by hand: what is home goes, when that is meant. Nothing to see while nothing can go. */
export function DeleteOffloaded({
  sessions,
  cameras,
  disabled,
}: {
  /** Those that are over. */
  sessions: readonly RecordedSession[];
  cameras: readonly string[];
  disabled: boolean;
}) {
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const [outcomes, setOutcomes] = useState<readonly Outcome[]>([]);
  const home = sessions.filter(({ homeBytes }) => homeBytes > 0);
  const bytes = home.reduce((sum, { homeBytes }) => sum + homeBytes, 0);

  const run = async (): Promise<void> => {
    setBusy(true);
    setOutcomes(await Promise.all(cameras.map(deleteOn)));
    setBusy(false);
    setAsked(false);
  };
  const refused = outcomes.filter(({ problem }) => problem);
  const done = outcomes.flatMap(({ result }) => result ?? []);
  const deleted = done.reduce((sum, result) => sum + result.deleted, 0);
  const freed = done.reduce((sum, result) => sum + result.freed_bytes, 0);
  const kept = done.flatMap((result) => result.kept.map((each) => ({ ...each, camera: result.camera_id })));

  return (
    <>
      {home.length === 0 ? null : (
        <button
          type="button"
          class="button delete-home"
          disabled={disabled}
          onClick={() => {
            setOutcomes([]);
            setAsked(true);
          }}
        >
          Delete what is home
        </button>
      )}
      {asked ? (
        <Dialog title="Delete what is home" onClose={() => setAsked(false)}>
          <div class="confirm">
            <p>
              {bytesText(bytes)} of recordings ({count(home.length, 'session')}) are on the central server,
              with the same checksums. They are deleted from {cameras.join(', ')}. What is only on the cameras
              stays.
            </p>
            <button
              type="button"
              class="button"
              data-kind="danger"
              data-busy={busy}
              disabled={disabled || busy}
              onClick={() => void run()}
            >
              {busy ? 'Deleting …' : `Delete ${bytesText(bytes)} from the cameras`}
            </button>
          </div>
        </Dialog>
      ) : null}
      {outcomes.length === 0 ? null : (
        <div class="deleted" role="status">
          {done.length === 0 ? null : (
            <Notice tone={kept.length > 0 ? 'warning' : 'calm'}>
              <p>
                {count(deleted, 'file')} deleted, {bytesText(freed)} freed
              </p>
              {kept.map(({ camera, session_uid, session_id, part, reason }) => (
                <p key={`${camera} ${session_uid} ${part}`}>
                  <strong>{camera}</strong> keeps {session_id}
                  {part > 1 ? `, part ${part}` : ''}: {reason}
                </p>
              ))}
            </Notice>
          )}
          {refused.map(({ camera, problem }) =>
            problem ? (
              <ProblemNotice key={camera} problem={problem} what={`${camera} deleted nothing`} />
            ) : null,
          )}
        </div>
      )}
    </>
  );
}

async function deleteOn(camera: string): Promise<Outcome> {
  try {
    const route = path(nodeRoutes.cameraOffloadedRecordings, { camera_id: camera });
    return { camera, result: await deleteJson<DeleteOffloadedResult>(route) };
  } catch (error) {
    return { camera, problem: problemIn(error) };
  }
}
