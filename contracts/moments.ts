import { z } from 'zod';
import { CameraId, Part, SessionId, SessionUid } from './ids.ts';
import { WireTime } from './time.ts';

/** Moments: what somebody marked while the match was recorded. A line of `marks.jsonl` each. */

export const MarkKind = z
  .enum(['moment', 'kick-off', 'half-time', 'second-half', 'full-time', 'score'])
  .describe('What was marked: something worth seeing again, a mark of the match clock, or the score');
export type MarkKind = z.infer<typeof MarkKind>;

export const MomentInput = z.object({
  kind: MarkKind.default('moment'),
  label: z.string().trim().min(1).max(120).optional().describe('In the words of who marked it, or the score'),
  ago_ms: z
    .int()
    .min(0)
    .max(60_000)
    .default(0)
    .describe('So long ago it was: a button knows when it went down'),
});

export const Mark = z
  .object({
    v: z.literal(1),
    session_uid: SessionUid,
    session_id: SessionId,
    camera_id: CameraId.describe('Whose recorder kept it'),
    part: Part.describe('The file that was being written'),
    kind: MarkKind,
    label: z.string().nullable(),
    at: WireTime.describe('When it was, master time'),
    local: WireTime.describe('The same by the clock of the node'),
    issued_by: z.string().nullable().describe('Who marked it'),
  })
  .describe('A moment of a session');
export type Mark = z.infer<typeof Mark>;
