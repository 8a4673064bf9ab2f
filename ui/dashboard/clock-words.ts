import type { RigView } from '#contracts/http-node.ts';
import type { SyncState } from '#contracts/states.ts';
import { boundFigure, clockTime, figure, signed, stepText, UNKNOWN } from '../live/format.ts';

/** A camera's clock in words. Pure. */

type Source = SyncState['clock']['source'];

const SHORT: Record<Source, string> = {
  same_kernel: 'same machine',
  master: 'master',
  exchange: 'exchange',
  chrony: 'chronyd',
  none: 'nothing',
};
const LONG: Record<Source, string> = {
  same_kernel: 'the same clock as the master',
  master: 'its own clock, which the others follow',
  exchange: 'what the cameras measured between each other',
  chrony: 'what its time daemon says, alone',
  none: 'nothing',
};

/** `±0.4 ms (exchange)`: how far it may be off, and what says so. */
export function clockLine(sync: SyncState | null | undefined): string {
  if (!sync) return UNKNOWN;
  const { source, bound_ms } = sync.clock;
  if (source === 'none') return 'not measured';
  if (source === 'master') return 'the master';
  return `${bound_ms === null ? 'how far off is not known' : `±${boundText(bound_ms)}`} (${SHORT[source]})`;
}

/** `0.4 ms`, `0.02 ms`. */
export function boundText(ms: number): string {
  return `${boundFigure(ms, ms < 0.1 ? 2 : 1)} ms`;
}

export function clockFacts(sync: SyncState): (readonly [name: string, value: string])[] {
  const { clock, chrony, steps, disagreement_ms } = sync;
  const last = steps.at(-1);
  return [
    ['Offset', signed(clock.offset_ms, 2, 'ms')],
    ['95 % within', clock.ci95_ms === null ? UNKNOWN : `±${boundText(clock.ci95_ms)}`],
    ['Confidence', `${figure(clock.confidence * 100, 0)} %`],
    ['Master', sync.master],
    ['Rests on', LONG[clock.source]],
    ['Last heard', heardText(clock.last_sync, sync.local_time)],
    ...(chrony ? [['Time daemon', daemonText(chrony)] as const] : []),
    ...(disagreement_ms === null
      ? []
      : [['Time daemon and cameras differ by', figure(disagreement_ms, 2, 'ms')] as const]),
    ...(last
      ? [
          [
            'Was set',
            `${steps.length === 1 ? 'once' : `${steps.length} times`}, last ${stepText(last.step_ms)}`,
          ] as const,
        ]
      : []),
  ];
}

function daemonText({
  state,
  reference,
  stratum,
  bound_ms,
  reason,
}: NonNullable<SyncState['chrony']>): string {
  if (state === 'failed') return `stopped${reason === null ? '' : `: ${reason}`}`;
  if (state === 'starting') return 'starting';
  if (reference === null || stratum === null || stratum === 0) return 'follows nothing';
  return `follows ${reference}, stratum ${stratum}${bound_ms === null ? '' : `, ±${boundText(bound_ms)}`}`;
}

function heardText(lastSync: string | null, localTime: string): string {
  if (lastSync === null) return 'never';
  const seconds = (Date.parse(localTime) - Date.parse(lastSync)) / 1000;
  return seconds < 2 ? 'now' : seconds < 60 ? `${Math.round(seconds)} s ago` : `${clockTime(seconds)} ago`;
}

/** No clock of ours was right before this. */
const OLDEST_YEAR = 2025;

/** The camera whose clock nobody has set, and what it believes; null when there is none. Only the master's is set by hand: the others follow it. */
export function unsetClock(
  nodes: RigView['nodes'],
): { readonly camera: string; readonly believes: string } | null {
  for (const { camera_id, available, status } of nodes) {
    const sync = status?.sync;
    if (!available || !sync?.chrony || sync.role !== 'master') continue;
    if (sync.clock.source === 'none' || new Date(sync.local_time).getUTCFullYear() < OLDEST_YEAR)
      return { camera: camera_id, believes: sync.local_time };
  }
  return null;
}
