/** Which recordings a node may delete, and in which order. Nothing that is not offloaded is ever among them. */

/** One recorded file as it lies on the disk of a node. */
export interface RecordingOnDisk {
  readonly sessionUid: string;
  readonly cameraId: string;
  readonly part: number;
  /** Nothing of this camera comes after it. */
  readonly final: boolean;
  readonly offloaded: boolean;
  /** Being recorded, finished or brought home now. */
  readonly underWay: boolean;
  /** Start of the file, microseconds. */
  readonly recordedAtUs: number;
  /** Bytes that its manifest names. */
  readonly statedBytes: number;
  /** Bytes of the file that is there; undefined when it is gone, which an interrupted deletion leaves. */
  readonly presentBytes: number | undefined;
}

export interface RetentionRules {
  /** Percent of the disk: with less of it free, offloaded recordings go until it is free again. */
  readonly warnPercent: number;
  /** All that may be deleted is, however much is free. */
  readonly everything: boolean;
}

export interface Space {
  readonly freeBytes: number;
  readonly totalBytes: number;
}

/**
 * `session_under_way`: a part of its session is still recorded, brought home, or to come. `size_differs`: the file is not the
 * one that its manifest describes. `earlier_part_kept`: parts go in order, so that the last one, which says that the recording is
 * whole, never goes before another.
 */
export type KeptBecause = 'session_under_way' | 'size_differs' | 'earlier_part_kept';

export interface Retention<R> {
  /** To be deleted, in this order. */
  readonly remove: readonly R[];
  /** Offloaded, and not to be deleted, however little is free. */
  readonly kept: readonly { readonly recording: R; readonly because: KeptBecause }[];
}

/**
 * The oldest session goes first, its parts in order, until the disk is free again. What an interrupted deletion left goes in
 * any case.
 */
export function decideRetention<R extends RecordingOnDisk>(
  recordings: readonly R[],
  { freeBytes, totalBytes }: Space,
  { warnPercent, everything }: RetentionRules,
): Retention<R> {
  const remove: R[] = [];
  const kept: { recording: R; because: KeptBecause }[] = [];
  const wantedBytes = (totalBytes * warnPercent) / 100;
  let reachedBytes = freeBytes;

  for (const session of oldestFirst(groupsOf(recordings, ({ sessionUid }) => sessionUid))) {
    const cameras = groupsOf(session, ({ cameraId }) => cameraId).map(byPart);
    const underWay =
      session.some((recording) => recording.underWay) ||
      cameras.some((parts) => parts.at(-1)?.final === false);
    for (const parts of cameras) {
      let earlier: 'gone' | 'kept' | 'spared' = 'gone';
      for (const recording of parts) {
        const { offloaded, presentBytes, statedBytes } = recording;
        const because = underWay
          ? 'session_under_way'
          : earlier === 'kept'
            ? 'earlier_part_kept'
            : presentBytes !== undefined && presentBytes !== statedBytes
              ? 'size_differs'
              : undefined;
        if (!offloaded || because) {
          if (offloaded && because) kept.push({ recording, because });
          earlier = 'kept';
        } else if (
          earlier === 'gone' &&
          (everything || presentBytes === undefined || reachedBytes < wantedBytes)
        ) {
          remove.push(recording);
          reachedBytes += presentBytes ?? 0;
        } else earlier = 'spared';
      }
    }
  }
  return { remove, kept };
}

function groupsOf<R>(items: readonly R[], keyOf: (item: R) => string): R[][] {
  const groups = new Map<string, R[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** Of two that are equally old the one whose uid comes first. */
function oldestFirst<R extends RecordingOnDisk>(sessions: R[][]): R[][] {
  const ageOf = (session: readonly R[]): number =>
    Math.min(...session.map(({ recordedAtUs }) => recordedAtUs));
  return sessions.toSorted((a, b) => ageOf(a) - ageOf(b));
}

function byPart<R extends RecordingOnDisk>(recordings: readonly R[]): R[] {
  return recordings.toSorted((a, b) => a.part - b.part);
}
