import { type Fragment, rebased } from '../fmp4/fragments.ts';

/**
 * Cuts a file out of a running stream: it begins at the last key frame at or before the start (or the first one after it,
 * when there was none), and ends with the fragment that reaches the stop. A stop at or before the start leaves no file. Times are
 * those of the stream, in its timescale.
 */
export interface Cutter {
  /** While the start is not known, at least this much of the stream is held for it; otherwise only from the last key frame on. */
  hold(time: number): void;
  /** The start; from here on fragments can come out. */
  startAt(time: number): void;
  /** The stop: nothing that begins later comes out. */
  stopAt(time: number): void;
  /** Takes the next fragment of the stream; returns those of the file, their times from its start. */
  push(fragment: Fragment): Fragment[];
  /** Stream time of the first frame of the file, once there is one. */
  readonly origin: number | undefined;
  readonly state: 'before' | 'inside' | 'after';
}

export function createCutter(): Cutter {
  let start: number | undefined;
  let heldBack = 0;
  let stop = Number.POSITIVE_INFINITY;
  let held: Fragment[] = [];
  let origin: number | undefined;
  let sequence = 0;
  let state: Cutter['state'] = 'before';

  const out = (fragments: Fragment[]): Fragment[] => {
    const result: Fragment[] = [];
    for (const fragment of fragments) {
      if (state === 'after') continue;
      // Sound alone belongs to the pictures around it.
      const first = fragment.times[0] ?? (origin === undefined ? undefined : 0);
      if (first === undefined) continue;
      if (first >= stop) {
        state = 'after';
        continue;
      }
      origin ??= first;
      sequence++;
      result.push(rebased(fragment, origin, sequence));
      if (fragment.times.length > 0 && fragment.endTime >= stop) state = 'after';
    }
    return result;
  };

  /** Forgets what comes before the last key frame that the file could begin with. */
  const trim = (): void => {
    const wanted = start ?? (held.at(-1)?.endTime ?? 0) - heldBack;
    const begin = held.findLastIndex((each) => each.keyframe && (each.times[0] ?? 0) <= wanted);
    if (begin > 0) held.splice(0, begin);
  };

  return {
    hold(time) {
      heldBack = time;
    },
    startAt(time) {
      start = time;
    },
    stopAt(time) {
      stop = time;
    },
    push(fragment) {
      if (state === 'after') return [];
      if (state === 'inside') return out([fragment]);
      if (held.length === 0 && !fragment.keyframe) return [];
      held.push(fragment);
      if (fragment.times.length === 0) return [];
      trim();
      if (start === undefined || held.length === 0 || fragment.endTime <= start) return [];
      state = 'inside';
      const begun = stop > start ? held : [];
      if (begun.length === 0) state = 'after';
      held = [];
      return out(begun);
    },
    get origin() {
      return origin;
    },
    get state() {
      return state;
    },
  };
}
