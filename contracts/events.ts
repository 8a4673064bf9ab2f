import { z } from 'zod';
import { WireError } from './errors.ts';
import { SessionId, SessionUid } from './ids.ts';
import { Gap } from './manifest.ts';
import { SessionState } from './session.ts';
import { WireTime } from './time.ts';

/** Events, not retained: `touchline/{rig}/{node}/event/{name}`. */

const base = { v: z.literal(1), at: WireTime } as const;

export const EVENTS = {
  'session/transition': z.object({
    ...base,
    from: SessionState,
    to: SessionState,
    session_uid: SessionUid.nullable(),
    reason: z.string(),
  }),
  'recording/fault': z.object({ ...base, session_uid: SessionUid.nullable(), error: WireError }),
  'recording/gap': z.object({ ...base, session_uid: SessionUid, gap: Gap }),
  'recording/finished': z.object({
    ...base,
    session_uid: SessionUid,
    session_id: SessionId,
    part: z.int(),
    manifest: z.string().describe('Path below the storage root'),
    recovered: z.boolean(),
  }),
  'offload/finished': z.object({ ...base, session_uid: SessionUid, session_id: SessionId, part: z.int() }),
  'offload/failed': z.object({
    ...base,
    session_uid: SessionUid,
    session_id: SessionId,
    part: z.int(),
    error: WireError,
  }),
} as const;

export type EventName = keyof typeof EVENTS;
export type EventOf<E extends EventName> = z.infer<(typeof EVENTS)[E]>;
