import { useEffect, useRef, useState } from 'preact/hooks';
import type { RigView } from '#contracts/http-node.ts';
import { Dialog } from '../components/dialog.tsx';
import { usePreview } from './preview.ts';
import { troubleOf } from './trouble-words.ts';

type RigNode = RigView['nodes'][number];

const ORDER = ['left', 'center', 'right'];
/** Pictures of an idle rig are for aiming; while it records they cost what the recording may need. */
const IDLE_EVERY_MS = 2000;
const RECORDING_EVERY_MS = 5000;

/** The three views side by side, as on the mast. */
export function CameraStrip({ nodes, recording }: { nodes: readonly RigNode[]; recording: boolean }) {
  // For aiming before the match; a recording is watched without them, unless somebody wants them.
  const [wanted, setWanted] = useState<boolean>();
  const guides = wanted ?? !recording;
  const [enlarged, setEnlarged] = useState<string>();
  const ordered = nodes.toSorted((a, b) => place(a) - place(b));
  const large = ordered.find(({ camera_id }) => camera_id === enlarged);
  return (
    <section aria-labelledby="views">
      <div class="heading">
        <h2 id="views">What they see</h2>
        <button type="button" class="button switch" aria-pressed={guides} onClick={() => setWanted(!guides)}>
          Guides
        </button>
      </div>
      <div class="strip">
        {ordered.map((node) => (
          <button key={node.camera_id} type="button" class="view" onClick={() => setEnlarged(node.camera_id)}>
            <Picture
              node={node}
              width={480}
              everyMs={recording ? RECORDING_EVERY_MS : IDLE_EVERY_MS}
              guides={guides}
            />
            <span class="view-name">
              <span class="visually-hidden">Enlarge </span>
              {node.camera_id}
            </span>
          </button>
        ))}
      </div>
      {guides ? (
        <p class="soft small">
          Level: the far touchline lies along the line across. Coverage: what is shaded should be in the
          neighbour's picture too.
        </p>
      ) : null}
      {large ? (
        <Dialog title={large.camera_id} onClose={() => setEnlarged(undefined)}>
          <Picture
            node={large}
            width={1280}
            everyMs={recording ? RECORDING_EVERY_MS : 1000}
            guides={guides}
          />
        </Dialog>
      ) : null}
    </section>
  );
}

function Picture({
  node,
  width,
  everyMs,
  guides,
}: {
  node: RigNode;
  width: number;
  everyMs: number;
  guides: boolean;
}) {
  const frame = useRef<HTMLDivElement>(null);
  const visible = useVisible(frame);
  const preview = usePreview(node.camera_id, width, everyMs, visible && node.available);
  const position = node.status?.position ?? node.position;
  const problem = node.available ? preview.problem : { code: 'peer_silent', message: 'not available' };
  const trouble = problem && troubleOf(problem);
  return (
    <div class="picture" ref={frame}>
      {preview.url === undefined ? null : (
        <img src={preview.url} alt={`What ${node.camera_id} sees`} data-old={trouble !== undefined} />
      )}
      {guides && preview.url !== undefined ? (
        <Guides overlapLeft={position !== 'left'} overlapRight={position !== 'right'} />
      ) : null}
      {preview.url === undefined ? (
        <span class="picture-words" title={problem?.message}>
          <span>{trouble ?? 'Waiting for a picture'}</span>
        </span>
      ) : trouble === undefined ? null : (
        <span class="picture-words" title={problem?.message}>
          <span>Old picture: {trouble}</span>
        </span>
      )}
    </div>
  );
}

/** Thirds and the middle for levelling, and at the sides what neighbours should share: 12 of about 62 degrees. */
function Guides({ overlapLeft, overlapRight }: { overlapLeft: boolean; overlapRight: boolean }) {
  return (
    <svg class="guides" viewBox="0 0 160 90" preserveAspectRatio="none" aria-hidden="true">
      {overlapLeft ? <rect x="0" y="0" width="31" height="90" /> : null}
      {overlapRight ? <rect x="129" y="0" width="31" height="90" /> : null}
      <path d="M0 30H160M80 0V90" />
    </svg>
  );
}

function useVisible(element: { current: HTMLElement | null }): boolean {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    const { current } = element;
    if (!current) return undefined;
    let inside = false;
    const tell = (): void => setVisible(inside && document.visibilityState === 'visible');
    const observer = new IntersectionObserver(([entry]) => {
      inside = entry?.isIntersecting ?? false;
      tell();
    });
    observer.observe(current);
    document.addEventListener('visibilitychange', tell);
    return () => {
      observer.disconnect();
      document.removeEventListener('visibilitychange', tell);
    };
  }, [element]);
  return visible;
}

function place(node: RigNode): number {
  return ORDER.indexOf(node.status?.position ?? node.position ?? 'center');
}
