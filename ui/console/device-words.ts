import type { Device } from '#contracts/http-central.ts';
import type { Tone } from '../components/tone.ts';
import { bytesText, minutesText, UNKNOWN } from '../live/format.ts';

/** What the page says about a camera as it was last heard. Pure. */

export interface DeviceSummary {
  readonly tone: Tone;
  readonly word: string;
  /** Of the last word, which may be old: see `seen_at`. */
  readonly warnings: readonly string[];
  readonly facts: readonly (readonly [name: string, value: string])[];
}

export function summarizeDevice({ available, status }: Device): DeviceSummary {
  const recorder = status?.recorder;
  const waiting = status?.offload.filter(({ state }) => state !== 'offloaded') ?? [];
  const facts = [
    ['Recorder', status ? (recorder?.state ?? UNKNOWN) : UNKNOWN],
    [
      'Space',
      recorder?.disk
        ? `${minutesText(recorder.disk.minutes_left)} (${bytesText(recorder.disk.free_bytes)})`
        : UNKNOWN,
    ],
    ['To bring home', status ? (waiting.length === 0 ? 'nothing' : String(waiting.length)) : UNKNOWN],
    ['Version', status?.software_version ?? UNKNOWN],
  ] as const;
  const warnings = status?.warnings.map(({ message }) => message) ?? [];
  if (!available) return { tone: 'unknown', word: 'Not heard', warnings, facts };
  if (!status) return { tone: 'unknown', word: 'No state yet', warnings, facts };
  if (status.level === 'fault') return { tone: 'fault', word: 'Fault', warnings, facts };
  if (recorder?.state === 'recording')
    return {
      tone: 'recording',
      word: status.level === 'warning' ? 'Recording, warning' : 'Recording',
      warnings,
      facts,
    };
  if (status.level === 'warning') return { tone: 'warning', word: 'Warning', warnings, facts };
  return { tone: 'calm', word: 'Ready', warnings, facts };
}

/** By rig, then as the cameras stand: left, center, right. */
export function byRig(devices: readonly Device[]): (readonly [rig: string, devices: readonly Device[]])[] {
  const rigs = new Map<string, Device[]>();
  for (const device of devices) rigs.set(device.rig, [...(rigs.get(device.rig) ?? []), device]);
  const place = ({ status, camera_id }: Device): string =>
    `${['left', 'center', 'right'].indexOf(status?.position ?? 'right')} ${camera_id}`;
  return [...rigs]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([rig, list]) => [rig, list.sort((a, b) => (place(a) < place(b) ? -1 : 1))]);
}

/** `3 s ago`, `5 min ago`; beyond a day, null: then the date says more. */
export function agoText(seconds: number): string | null {
  if (seconds < 2) return 'now';
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ago`;
  return null;
}
