import type { CentralRecording } from '#contracts/http-central.ts';
import type { Manifest } from '#contracts/manifest.ts';
import {
  boundFigure,
  bytesText,
  durationText,
  figure,
  lengthText,
  profileText,
  signed,
  stepText,
  UNKNOWN,
} from '../live/format.ts';
import type { ListedGap } from './playback/gaps.ts';

/** Facts about one recording, row by row, so that cameras can be compared. Pure. */

export interface Fact {
  readonly name: string;
  /** What exactly is told, where the name could mean several things. */
  readonly note?: string;
  readonly value: string;
  /** Something an analyst should not overlook. */
  readonly odd?: boolean;
  /** Nothing to tell; a row in which no recording has anything to tell is left out. */
  readonly nothing?: boolean;
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
    {
      name: 'Before the start',
      note: 'the film begins this much earlier',
      ...told(own && fps !== null && own.start_frame > 0 ? lengthText(own.start_frame / fps) : undefined),
    },
    { name: 'Duration', value: durationText(recording.duration_sec) },
    {
      name: 'Picture',
      value:
        width === null ? UNKNOWN : `${width}×${height}, ${figure(fps, fps !== null && fps % 1 ? 2 : 0)}/s`,
    },
    { name: 'Codec', value: codec ?? UNKNOWN },
    {
      name: 'Wanted instead',
      ...told(own && own.requested !== own.effective ? wantedText(own) : undefined),
    },
    { name: 'Sound', ...told(own?.audio ? soundText(own.audio) : undefined) },
    { name: 'Frames', value: figure(frames) },
    { name: 'Frames lost', value: figure(lost), odd: (lost ?? 0) > 0 },
    { name: 'Encoder restarts', value: figure(own?.encoder_restarts), odd: (own?.encoder_restarts ?? 0) > 0 },
    { name: 'Disk errors', value: figure(own?.disk_errors), odd: (own?.disk_errors ?? 0) > 0 },
    {
      name: 'Clock off the master',
      note: '± is never exceeded',
      value: clockText(own?.clock),
      odd: own?.clock.offset_ms === null,
    },
    {
      name: 'Clock, 95 % within',
      ...told(
        typeof own?.clock.ci95_ms === 'number' ? `±${boundFigure(own.clock.ci95_ms, 2)} ms` : undefined,
      ),
    },
    {
      name: 'Clock was set',
      note: 'while it recorded',
      ...told(own && own.clock_steps > 0 ? stepsText(own) : undefined),
      odd: (own?.clock_steps ?? 0) > 0,
    },
    { name: 'Lock View', ...told(own?.lock_view ? timeOfDay(own.lock_view.at) : undefined) },
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

function told(value: string | undefined): Pick<Fact, 'value' | 'nothing'> {
  return value === undefined ? { value: UNKNOWN, nothing: true } : { value };
}

type Own = NonNullable<Manifest['touchline']>;

function wantedText({ requested, reason }: Own): string {
  return `${profileText(requested)}${reason ? `; but ${reason}` : ''}`;
}

function soundText({ codec, sample_rate_hz, channels }: NonNullable<Own['audio']>): string {
  return `${codec.toUpperCase()}, ${sample_rate_hz / 1000} kHz, ${channels === 1 ? 'mono' : 'stereo'}`;
}

function stepsText({ clock_steps, steps }: Own): string {
  const by = steps.map(({ step_ms }) => stepText(step_ms)).join(', ');
  return `${clock_steps === 1 ? 'once' : `${clock_steps} times`}${by === '' ? '' : `: ${by}`}`;
}

function clockText(clock: { offset_ms: number | null; bound_ms: number | null } | undefined): string {
  if (!clock) return UNKNOWN;
  if (clock.offset_ms === null) return 'not known';
  return clock.bound_ms === null
    ? signed(clock.offset_ms, 2, 'ms')
    : `${signed(clock.offset_ms, 2, '')} ± ${boundFigure(clock.bound_ms, 2)} ms`;
}

/** In the zone of the browser, with milliseconds. */
function timeOfDay(wireTime: string | null): string {
  if (wireTime === null) return UNKNOWN;
  const date = new Date(wireTime);
  const two = (value: number, digits = 2): string => String(value).padStart(digits, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${two(date.getMilliseconds(), 3)}`;
}
