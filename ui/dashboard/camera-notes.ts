import type { RecorderState } from '#contracts/states.ts';
import { profileText } from '../live/format.ts';

/** What is worth a word about a camera and is no warning. Pure. */

export function notesOf({ profile, self_test, preview, audio }: RecorderState): string[] {
  const notes: string[] = [];
  const because = profile?.reason ? `, because ${profile.reason}` : '';
  if (profile && profile.requested !== profile.effective)
    notes.push(`Wanted ${profileText(profile.requested)}; this is recorded${because}`);
  else if (profile?.reason) notes.push(`Recorded as wanted: ${profile.reason}`);
  if (audio.enabled && audio.silent !== null) notes.push(`Silence instead of sound: ${audio.silent}`);
  if (self_test && !self_test.passed) notes.push(`Self-test: ${self_test.findings.join('; ')}`);
  if (preview.state === 'off') notes.push('No previews: switched off');
  if (preview.state === 'yielding')
    notes.push(`No previews for now: ${preview.reason ?? 'the recording comes first'}`);
  return notes;
}
