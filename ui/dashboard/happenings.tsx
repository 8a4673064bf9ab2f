import { UNKNOWN } from '../live/format.ts';
import { meaningOf } from './trouble-words.ts';

/** One thing that happened, in words. */
export interface Happening {
  readonly key: number;
  readonly camera: string;
  readonly at: string;
  readonly tone: 'calm' | 'warning' | 'fault';
  readonly text: string;
}

interface NodeEvent {
  readonly camera_id: string;
  readonly name: string;
  readonly payload: Record<string, unknown>;
}

/** Events of the rig that a person wants to see; undefined for the rest. */
export function toHappening(data: unknown, key: number): Happening | undefined {
  const { camera_id, name, payload } = data as NodeEvent;
  const words = wordsOf(name, payload);
  return words && { key, camera: camera_id, at: String(payload.at ?? ''), ...words };
}

function wordsOf(
  name: string,
  payload: Record<string, unknown>,
): Pick<Happening, 'tone' | 'text'> | undefined {
  switch (name) {
    case 'recording/fault':
      return { tone: 'fault', text: messageOf(payload.error) };
    case 'recording/gap':
      return { tone: 'warning', text: `lost ${framesOf(payload.gap)}` };
    case 'recording/finished':
      return {
        tone: payload.recovered === true ? 'warning' : 'calm',
        text: `${payload.recovered === true ? 'file recovered' : 'file finished'}${partOf(payload)}`,
      };
    case 'recording/deleted':
      return { tone: 'calm', text: `deleted ${payload.session_id}${partOf(payload)}: it is home` };
    case 'offload/finished':
      return { tone: 'calm', text: 'recording is home' };
    case 'offload/failed':
      return {
        tone: 'fault',
        text: `${payload.session_id} could not be brought home: ${messageOf(payload.error)}`,
      };
    default:
      return undefined;
  }
}

const partOf = ({ part }: Record<string, unknown>): string => (part === 1 ? '' : `, part ${part}`);

function messageOf(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('message' in error))
    return 'for a reason it did not tell';
  const meaning = 'code' in error ? meaningOf(String(error.code)) : undefined;
  return meaning === undefined ? String(error.message) : `${String(error.message)}. ${meaning}`;
}

function framesOf(gap: unknown): string {
  const frames = typeof gap === 'object' && gap !== null && 'frames' in gap ? gap.frames : undefined;
  return typeof frames === 'number' ? `${frames} frames` : 'frames';
}

export function Happenings({ happenings }: { happenings: readonly Happening[] }) {
  if (happenings.length === 0) return null;
  return (
    <section aria-labelledby="happened">
      <h2 id="happened">Just now</h2>
      <ol class="happenings" aria-live="polite">
        {happenings.map(({ key, camera, at, tone, text }) => (
          <li key={key} data-tone={tone}>
            <time class="figures soft" dateTime={at}>
              {at === '' ? UNKNOWN : new Date(at).toLocaleTimeString()}
            </time>
            <span>
              <strong>{camera}</strong> {text}
            </span>
          </li>
        ))}
      </ol>
    </section>
  );
}
