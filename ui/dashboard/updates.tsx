import type { RigView } from '#contracts/http-node.ts';
import { nodeRoutes } from '#contracts/routes.ts';
import { Notice } from '../components/notice.tsx';
import { useAsking } from './ask-cameras.ts';
import { pastUpdates, pastWords, rigUpdate } from './update-words.ts';

const PAST_SHOWN = 6;

/** The update that waits, why, and what can be done about it; below it what was. Nothing to see where nothing is updated. */
export function Updates({
  nodes,
  operator,
  stale,
}: {
  nodes: RigView['nodes'];
  operator: boolean;
  stale: boolean;
}) {
  const { sinceMs, refused, ask } = useAsking();
  const update = rigUpdate(nodes);
  const past = pastUpdates(nodes).slice(0, PAST_SHOWN);
  const busy = stale || sinceMs !== undefined;
  return (
    <>
      {update ? (
        <Notice tone={update.tone} title={update.title}>
          {update.reasons.map((reason) => (
            <p key={reason} class="soft">
              {reason}
            </p>
          ))}
          {operator && update.cameras.length > 0 ? (
            <p>
              <button
                type="button"
                class="button"
                disabled={busy || update.locked}
                onClick={() => ask(update.cameras, nodeRoutes.cameraUpdateApply)}
              >
                Apply
              </button>{' '}
              <button
                type="button"
                class="button"
                disabled={busy}
                onClick={() => ask(update.cameras, nodeRoutes.cameraUpdateApply, { queue: true })}
              >
                When idle
              </button>
            </p>
          ) : null}
          {refused.map(({ cameras, text }) => (
            <p key={text} role="alert">
              {cameras.join(', ')}: {text}
            </p>
          ))}
        </Notice>
      ) : null}
      {past.length > 0 ? (
        <details>
          <summary>Past updates</summary>
          <ul>
            {past.map((entry) => (
              <li key={`${entry.camera} ${entry.at} ${entry.version}`} class="soft">
                <time dateTime={entry.at}>{new Date(entry.at).toLocaleString()}</time> {pastWords(entry)}
              </li>
            ))}
          </ul>
        </details>
      ) : null}
    </>
  );
}
