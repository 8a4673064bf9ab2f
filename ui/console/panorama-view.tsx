import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { CentralSession } from '#contracts/http-central.ts';
import { Icon } from './icon.tsx';
import { FITTED, type Frame, held, type PanZoom, panned, transformOf, zoomed } from './pan-zoom.ts';
import type { Playback } from './playback/playback.ts';
import { clipAt, type Track } from './playback/timeline.ts';
import { usePlaying } from './playback/use-playback.ts';

const NAME = 'panorama';
const WHEEL_STEP = 1.0015;
const KEY_ZOOM = 1.25;
const KEY_PAN = 0.1;
const DOUBLE_ZOOM = 2.5;
/** Screen pixels for one of the video: beyond, there is nothing more to see. */
const PIXEL_MAX = 3;

/** The panorama on the common clock: the whole width at first, then what is looked at. */
export function PanoramaView({
  playback,
  panorama,
  track,
}: {
  playback: Playback;
  panorama: NonNullable<CentralSession['panorama']>;
  track: Track;
}) {
  const { width, height } = panorama.result;
  const box = useRef<HTMLDivElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const { view, frame, change } = usePanZoom(box, width, height);
  const { clips } = track;
  useEffect(() => (video.current ? playback.attach(NAME, video.current) : undefined), [playback]);
  useEffect(() => playback.setClips(NAME, clips), [playback, clips]);
  // It is shorter than the session: whoever opens it sees a picture, not a reason why there is none.
  useEffect(() => {
    const [clip] = clips;
    if (clip && clipAt(clips, playback.view.atSec) === null) playback.seek(clip.startSec);
  }, [playback]);
  useLayoutEffect(() => {
    if (video.current && frame) video.current.style.transform = transformOf(view, frame);
  }, [view, frame]);
  const state = usePlaying(playback, ({ videos }) => videos[NAME]?.state ?? 'none');
  const problem = usePlaying(playback, ({ videos }) => videos[NAME]?.problem ?? null);
  const zoomButton = (
    name: 'plus' | 'minus' | 'fit',
    label: string,
    next: (view: PanZoom, frame: Frame) => PanZoom,
  ) => (
    <button type="button" class="tile-button" aria-label={label} title={label} onClick={() => change(next)}>
      <Icon name={name} />
    </button>
  );
  return (
    <div class="panorama" data-state={state} data-testid="panorama">
      <section
        class="panorama-window"
        ref={box}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: the keys of a map need a place to go to
        tabIndex={0}
        data-zoomed={view.scale > 1}
        aria-label="Panorama: plus and minus zoom, arrows pan, 0 shows the whole width"
        style={{ aspectRatio: String(Math.min(3.4, Math.max(2.2, width / height))) }}
      >
        <video ref={video} muted playsInline disablePictureInPicture aria-label="Panorama of the session" />
      </section>
      <div class="panorama-buttons">
        {zoomButton('minus', 'Zoom out', (now, frame) => zoomed(now, frame, 1 / KEY_ZOOM ** 2))}
        <span class="panorama-scale figures" aria-live="polite">
          {view.scale.toFixed(1)} ×
        </span>
        {zoomButton('plus', 'Zoom in', (now, frame) => zoomed(now, frame, KEY_ZOOM ** 2))}
        {zoomButton('fit', 'Whole width', () => FITTED)}
      </div>
      {state === 'none' ? (
        <p class="tile-notice">The panorama shows what all its cameras recorded; not this moment</p>
      ) : null}
      {state === 'loading' ? <p class="tile-notice soft-loading">Loading</p> : null}
      {state === 'failed' ? (
        <div class="tile-notice" role="alert">
          <p>{problem}</p>
          <button type="button" class="button" onClick={() => playback.retry()}>
            Try again
          </button>
        </div>
      ) : null}
    </div>
  );
}

type Change = (next: (view: PanZoom, frame: Frame) => PanZoom) => void;

/** Wheel, one and two fingers, double click and keys; the window may change its size at any time. */
function usePanZoom(box: { current: HTMLDivElement | null }, pictureWidth: number, pictureHeight: number) {
  const [view, setView] = useState(FITTED);
  const [frame, setFrame] = useState<Frame>();
  const latest = useRef<Frame>(undefined);
  const change: Change = useCallback((next) => {
    const now = latest.current;
    if (now) setView((view) => held(next(view, now), now));
  }, []);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => {
      const { clientWidth, clientHeight } = element;
      const next = {
        width: clientWidth,
        height: clientHeight,
        aspect: pictureWidth / pictureHeight,
        scaleMax: Math.max(4, (PIXEL_MAX * pictureWidth) / clientWidth),
      };
      latest.current = next;
      setFrame(next);
      setView((view) => held(view, next));
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [box, pictureWidth, pictureHeight]);
  useEffect(() => (box.current ? listen(box.current, change, latest) : undefined), [box, change]);
  return { view, frame, change };
}

function listen(
  element: HTMLElement,
  change: Change,
  frame: { readonly current: Frame | undefined },
): () => void {
  const fingers = new Map<number, { x: number; y: number }>();
  const place = ({ clientX, clientY }: MouseEvent): { x: number; y: number } => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  };
  const stop = new AbortController();
  const on = <K extends keyof HTMLElementEventMap>(
    name: K,
    listener: (event: HTMLElementEventMap[K]) => void,
  ): void => element.addEventListener(name, listener, { signal: stop.signal, passive: false });

  on('wheel', (event) => {
    const factor =
      WHEEL_STEP ** -(event.deltaMode === WheelEvent.DOM_DELTA_LINE ? event.deltaY * 24 : event.deltaY);
    // At the whole width, the wheel goes on to scroll the page.
    if (factor < 1 && element.dataset.zoomed !== 'true') return;
    event.preventDefault();
    const at = place(event);
    change((view, frame) => zoomed(view, frame, factor, at));
  });
  on('pointerdown', (event) => {
    if (event.button !== 0) return;
    element.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
  });
  on('pointermove', (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const after = place(event);
    const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1];
    fingers.set(event.pointerId, after);
    if (!other) return change((view, frame) => panned(view, frame, after.x - before.x, after.y - before.y));
    const { width, height } = frame.current ?? { width: 1, height: 1 };
    const apart = (a: typeof after): number => Math.hypot((a.x - other.x) * width, (a.y - other.y) * height);
    const at = { x: (after.x + other.x) / 2, y: (after.y + other.y) / 2 };
    change((view, frame) =>
      panned(
        zoomed(view, frame, apart(after) / Math.max(1, apart(before)), at),
        frame,
        (after.x - before.x) / 2,
        (after.y - before.y) / 2,
      ),
    );
  });
  const lift = (event: PointerEvent): void => void fingers.delete(event.pointerId);
  on('pointerup', lift);
  on('pointercancel', lift);
  on('dblclick', (event) => {
    const at = place(event);
    change((view, frame) => zoomed(view, frame, DOUBLE_ZOOM, at));
  });
  on('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const next = NEXT_BY_KEY[event.key];
    const pans = event.key.startsWith('Arrow');
    // With nothing to pan, the arrows are the player's.
    if (!next || (pans && (event.shiftKey || element.dataset.zoomed !== 'true'))) return;
    event.preventDefault();
    change(next);
  });
  return () => stop.abort();
}

const NEXT_BY_KEY: Readonly<Record<string, (view: PanZoom, frame: Frame) => PanZoom>> = {
  '+': (view, frame) => zoomed(view, frame, KEY_ZOOM),
  '=': (view, frame) => zoomed(view, frame, KEY_ZOOM),
  '-': (view, frame) => zoomed(view, frame, 1 / KEY_ZOOM),
  '0': () => FITTED,
  ArrowLeft: (view, frame) => panned(view, frame, KEY_PAN, 0),
  ArrowRight: (view, frame) => panned(view, frame, -KEY_PAN, 0),
  ArrowUp: (view, frame) => panned(view, frame, 0, KEY_PAN),
  ArrowDown: (view, frame) => panned(view, frame, 0, -KEY_PAN),
};
