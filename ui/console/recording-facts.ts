import type { CentralRecording } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';
import { bytesText, durationText, figure, UNKNOWN } from '../live/format.ts';
import type { ListedGap } from './playback/gaps.ts';

/** Facts about one recording, row by row, so that cameras can be compared. Pure. */

export interface Fact {
  readonly name: string;
  /** What exactly is told, where the name could mean several things. */
  readonly note?: string;
  readonly value: string;
  /** Something an analyst should not overlook. */
  readonly odd?: boolean;
}

/** `gaps` of this recording: what was lost before its first frame is in none of its own counts. */
export function factsOf(
  recording: CentralRecording,
  manifest: Manifest | undefined,
  gaps: readonly ListedGap[] = [],
): Fact[] {
  const own = manifest?.touchline;
  const dropped = manifest?.quality?.dropped_frames;
  const before = gaps.reduce((sum, { within, frames }) => sum + (within ? 0 : frames), 0);
  const lost = dropped === undefined && before === 0 ? undefined : (dropped ?? 0) + before;
  const { width, height, fps, codec, frames } = recording;
  return [
    {
      name: 'First frame',
      note: 'may lie before the start',
      value: timeOfDay(recording.started_at),
      odd: recording.master_time === false,
    },
    {
      name: 'Off the agreed start',
      note: 'the first frame at or after it',
      value: signed(own?.start_skew_ms, 1, 'ms'),
    },
    { name: 'Duration', value: durationText(recording.duration_sec) },
    {
      name: 'Picture',
      value:
        width === null ? UNKNOWN : `${width}×${height}, ${figure(fps, fps !== null && fps % 1 ? 2 : 0)}/s`,
    },
    { name: 'Codec', value: codec ?? UNKNOWN },
    { name: 'Frames', value: figure(frames) },
    { name: 'Frames lost', value: figure(lost), odd: (lost ?? 0) > 0 },
    { name: 'Encoder restarts', value: figure(own?.encoder_restarts), odd: (own?.encoder_restarts ?? 0) > 0 },
    { name: 'Disk errors', value: figure(own?.disk_errors), odd: (own?.disk_errors ?? 0) > 0 },
    { name: 'Clock off the master', value: clockText(own?.clock), odd: own?.clock.offset_ms === null },
    {
      name: 'After a crash',
      value:
        own === undefined ? UNKNOWN : own.recovered ? `recovered, ${bytesText(own.bytes_lost)} lost` : 'no',
      odd: own?.recovered === true,
    },
    { name: 'Size', value: bytesText(recording.size_bytes) },
    {
      name: 'Came in',
      value: new Date(recording.received_at).toLocaleString(undefined, {
        dateStyle: 'short',
        timeStyle: 'short',
      }),
    },
  ];
}

function signed(value: number | null | undefined, digits: number, unit: string): string {
  if (value === null || value === undefined) return UNKNOWN;
  return `${value < 0 ? '−' : '+'}${figure(Math.abs(value), digits, unit)}`;
}

function clockText(clock: { offset_ms: number | null; bound_ms: number | null } | undefined): string {
  if (!clock) return UNKNOWN;
  if (clock.offset_ms === null) return 'not known';
  return clock.bound_ms === null
    ? signed(clock.offset_ms, 2, 'ms')
    : `${signed(clock.offset_ms, 2, '')} ± ${clock.bound_ms.toFixed(2)} ms`;
}

/** In the zone of the browser, with milliseconds. */
function timeOfDay(wireTime: string | null): string {
  if (wireTime === null) return UNKNOWN;
  const date = new Date(wireTime);
  const two = (value: number, digits = 2): string => String(value).padStart(digits, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}
