import type { CentralRecording, CentralSession } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { centralRoutes } from '#contracts/routes.ts';
import { lengthText, UNKNOWN } from '../live/format.ts';
import { path } from '../live/http.ts';
import { CopyButton } from './copy-button.tsx';
import { gapsOfRecording, type ListedGap } from './playback/gaps.ts';
import { recordingKey, type Timeline } from './playback/timeline.ts';
import { momentText } from './playback/words.ts';
import { factsOf } from './recording-facts.ts';

/** What is known of each recording, side by side, and where to get it. */
export function RecordingTable({
  session,
  manifests,
  timeline,
  onSeek,
}: {
  session: CentralSession;
  manifests: ReadonlyMap<string, Manifest>;
  timeline: Timeline;
  onSeek: (atSec: number) => void;
}) {
  const recordings = [...session.recordings].sort(
    (a, b) => session.cameras.indexOf(a.camera_id) - session.cameras.indexOf(b.camera_id) || a.part - b.part,
  );
  if (recordings.length === 0) return null;
  const severalParts = new Set(recordings.filter(({ part }) => part > 1).map(({ camera_id }) => camera_id));
  const columns = recordings.map((recording) => {
    const key = recordingKey(recording);
    const track = timeline.tracks.find(({ name }) => name === recording.camera_id);
    const gaps = track ? gapsOfRecording(track, key) : [];
    return {
      key,
      recording,
      gaps,
      title: severalParts.has(recording.camera_id)
        ? `${recording.camera_id} part ${recording.part}`
        : recording.camera_id,
      facts: factsOf(recording, manifests.get(key), gaps),
    };
  });
  const rows =
    columns[0]?.facts.flatMap(({ name, note }, row) =>
      columns.every(({ facts }) => facts[row]?.nothing) ? [] : [{ name, note, row }],
    ) ?? [];
  return (
    <section class="section" aria-labelledby="recordings">
      <div class="section-head">
        <h2 id="recordings">Recordings</h2>
        <a class="button" href={path(centralRoutes.checksums, { session_uid: session.session_uid })} download>
          Checksums for sha256sum
        </a>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="panel table-window" tabIndex={0} aria-label="Facts of the recordings">
        <table class="compare" data-testid="recordings">
          <thead>
            <tr>
              <th scope="col">Camera</th>
              {columns.map(({ key, title }) => (
                <th key={key} scope="col">
                  {title}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ name, note, row }) => (
              <tr key={name}>
                <th scope="row">
                  {name}
                  {note === undefined ? null : <small class="row-note">{note}</small>}
                </th>
                {columns.map(({ key, facts }) => (
                  <td key={key} class="figures" data-odd={facts[row]?.odd}>
                    {facts[row]?.value}
                  </td>
                ))}
              </tr>
            ))}
            <tr>
              <th scope="row">Gaps</th>
              {columns.map(({ key, gaps }) => (
                <td key={key} class="figures" data-odd={gaps.length > 0}>
                  <Gaps gaps={gaps} known={manifests.has(key)} onSeek={onSeek} />
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">SHA-256</th>
              {columns.map(({ key, title, recording }) => (
                <td key={key}>
                  <CopyButton text={recording.sha256} what={`the SHA-256 of ${title}`} />
                </td>
              ))}
            </tr>
            <tr>
              <th scope="row">Download</th>
              {columns.map(({ key, recording, title }) => (
                <td key={key}>
                  <Downloads recording={recording} title={title} />
                </td>
              ))}
            </tr>
          </tbody>
        </table>
      </section>
      {columns.map(({ key, title }) => (
        <ManifestText key={key} title={title} manifest={manifests.get(key)} />
      ))}
    </section>
  );
}

/** All of it, as it came with the file. */
function ManifestText({ title, manifest }: { title: string; manifest: Manifest | undefined }) {
  if (!manifest) return null;
  const label = `Manifest of ${title}`;
  return (
    <details class="log">
      <summary>
        <span>{label}</span>
      </summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys */}
      <section class="log-window panel" tabIndex={0} aria-label={label}>
        <pre class="figures">{JSON.stringify(manifest, null, 2)}</pre>
      </section>
    </details>
  );
}

/** More than these stay folded, so that the table stays one to compare by. */
const GAPS_SHOWN = 3;

function Gaps({
  gaps,
  known,
  onSeek,
}: {
  gaps: readonly ListedGap[];
  known: boolean;
  onSeek: (atSec: number) => void;
}) {
  if (gaps.length === 0) return <>{known ? 'none' : UNKNOWN}</>;
  const list = (
    <ul class="gaps">
      {gaps.map((gap) => (
        <li key={gap.fromSec}>
          <button type="button" class="textual" onClick={() => onSeek(gap.fromSec)}>
            at {momentText(gap.fromSec)}, {lengthText(gap.toSec - gap.fromSec)}: {gap.reason}
          </button>
        </li>
      ))}
    </ul>
  );
  if (gaps.length <= GAPS_SHOWN) return list;
  const allSec = gaps.reduce((sum, { fromSec, toSec }) => sum + toSec - fromSec, 0);
  return (
    <details>
      <summary class="textual">
        {gaps.length} gaps, {lengthText(allSec)} in all
      </summary>
      {list}
    </details>
  );
}

function Downloads({ recording, title }: { recording: CentralRecording; title: string }) {
  return (
    <ul class="downloads">
      <li>
        <a href={`${recording.original_url}?download`} download aria-label={`Original of ${title}`}>
          Original
        </a>
      </li>
      {recording.manifest_url === null ? null : (
        <li>
          <a href={`${recording.manifest_url}?download`} download aria-label={`Manifest of ${title}`}>
            Manifest
          </a>
        </li>
      )}
      {recording.proxy_url === null ? null : (
        <li>
          <a href={`${recording.proxy_url}?download`} download aria-label={`Proxy of ${title}`}>
            Proxy
          </a>
        </li>
      )}
    </ul>
  );
}
