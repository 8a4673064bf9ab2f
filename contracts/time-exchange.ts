import { z } from 'zod';
import { CameraId, RigId } from './ids.ts';

/**
 * The exchange of time between the nodes of a rig: UDP, one JSON object per datagram. A node asks, the other answers with its rig time
 * at receiving the question (t2) and at answering (t3); the asking node's own times of sending (t1) and receiving (t4) stay with
 * it, under the nonce.
 */

const common = {
  v: z.literal(1),
  rig: RigId,
  from: CameraId,
  to: CameraId,
  boot_id: z.string().min(1).max(64).describe('Kernel of the sender'),
  nonce: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'must be 32 lower-case hex digits')
    .describe('Chosen by who asks, by chance, used once; the answer repeats it'),
} as const;

export const TimeQuestion = z.object({ ...common, kind: z.literal('question') });
export type TimeQuestion = z.infer<typeof TimeQuestion>;

export const TimeAnswer = z.object({
  ...common,
  kind: z.literal('answer'),
  t2_us: z.int().min(0).describe('Rig time at receiving the question, microseconds since 1970'),
  t3_us: z.int().min(0).describe('Rig time at answering'),
  bound_us: z.number().min(0).max(1e9).describe('How wrong t2 and t3 may be'),
  line: z
    .string()
    .min(1)
    .max(64)
    .describe('Identity of the line of time; another one means that rig time jumped'),
});
export type TimeAnswer = z.infer<typeof TimeAnswer>;

/** One datagram. */
export const TimeDatagram = z.discriminatedUnion('kind', [TimeQuestion, TimeAnswer]);
export type TimeDatagram = z.infer<typeof TimeDatagram>;
