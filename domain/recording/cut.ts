import { type Fragment, rebased } from '../fmp4/fragments.ts';

/**
 * Cuts a file out of a running stream: it begins at the last key frame at or before the start (or the first one after it,
 * when there was none), and ends with the fragment that reaches the stop. A stop at or before the start leaves no file. Times are
 * those of the stream, in its timescale.
 */
export interface Cutter {
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
  let stop = Number.POSITIVE_INFINITY;
  let held: Fragment[] = [];
  let origin: number | undefined;
  let sequence = 0;
  let state: Cutter['state'] = 'before';

  const out = (fragments: Fragment[]): Fragment[] => {
    const result: Fragment[] = [];
    for (const fragment of fragments) {
      const first = fragment.times[0];
      if (state === 'after' || first === undefined) continue;
      if (first >= stop) {
        state = 'after';
        continue;
      }
      origin ??= first;
      sequence++;
      result.push(rebased(fragment, origin, sequence));
      if (fragment.endTime >= stop) state = 'after';
    }
    return result;
  };

  return {
    startAt(time) {
      start = time;
    },
    stopAt(time) {
      stop = time;
    },
    push(fragment) {
      if (state === 'after') return [];
      if (state === 'inside') return out([fragment]);
      const first = fragment.times[0];
      if (first === undefined) return [];
      if (fragment.keyframe && (start === undefined || first <= start || held.length === 0))
        held = [fragment];
      else if (held.length > 0) held.push(fragment);
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
