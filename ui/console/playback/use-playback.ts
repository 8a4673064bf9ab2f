import { useEffect, useRef, useState } from 'preact/hooks';
import { Playback, type PlaybackView } from './playback.ts';

/** One for the life of a page. */
export function usePlayback(): Playback {
  const [playback] = useState(() => new Playback());
  useEffect(() => () => playback.stop(), [playback]);
  return playback;
}

/** Part of the view, drawn again when it changed. Give a value that compares by itself: a number or a text. */
export function usePlaying<T extends string | number | boolean | null>(
  playback: Playback,
  select: (view: PlaybackView) => T,
): T {
  const selecting = useRef(select);
  selecting.current = select;
  const [value, setValue] = useState(() => select(playback.view));
  useEffect(() => {
    const listen = (): void => setValue(selecting.current(playback.view));
    listen();
    return playback.subscribe(listen);
  }, [playback]);
  return value;
}
