import type { LightView } from '#contracts/http-node.ts';

const WORDS: Record<LightView['light'], string> = {
  recording: 'Recording',
  ok: 'Ready',
  warning: 'needs attention',
  fault: 'fault',
};

/** The traffic light in words: what is wrong never hides whether it records. */
export function lightWords({ light, recording }: LightView): string {
  if (light === 'recording' || light === 'ok') return WORDS[light];
  return `${recording ? 'Recording' : 'Not recording'}, ${WORDS[light]}`;
}
