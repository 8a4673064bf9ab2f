import { useEffect, useState } from 'preact/hooks';
import type { RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { Notice } from '../components/notice.tsx';
import { dateText } from '../live/format.ts';
import { getJson, type Problem, postJson, problemIn } from '../live/http.ts';
import { unsetClock } from './clock-words.ts';

/** Offers the time of this device to a rig that does not know what time it is. */
export function SetClock({ nodes, disabled }: { nodes: RigView['nodes']; disabled: boolean }) {
  const unset = unsetClock(nodes);
  const [own, setOwn] = useState<string>();
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const camera = unset?.camera;
  useEffect(() => {
    if (camera === undefined) return;
    // A clock is set on its own page; which camera this one is of, only it can tell.
    getJson<NodeStatus>(nodeRoutes.status).then(
      ({ camera_id }) => setOwn(camera_id),
      () => setOwn(undefined),
    );
  }, [camera]);
  if (!unset) return null;

  const set = async (): Promise<void> => {
    setBusy(true);
    setProblem(undefined);
    try {
      await postJson(nodeRoutes.setTime, { time: new Date().toISOString() });
    } catch (error) {
      setProblem(problemIn(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section aria-label="Clock of the rig" data-testid="set-clock">
      <Notice tone="warning" title="The rig does not know what time it is">
        <p>
          <strong>{unset.camera}</strong> believes {dateText(unset.believes)}; this device says{' '}
          {dateText(new Date().toISOString())}.
        </p>
        {problem ? (
          <p role="alert">
            {problem.message}. {problem.remedy}
          </p>
        ) : null}
        {own === unset.camera ? (
          <button
            type="button"
            class="button"
            data-busy={busy}
            disabled={disabled || busy}
            onClick={() => void set()}
          >
            Set the clock from this device
          </button>
        ) : (
          <p class="soft">It can be set on the page of {unset.camera}.</p>
        )}
      </Notice>
    </section>
  );
}
