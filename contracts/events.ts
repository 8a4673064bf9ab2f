import { z } from 'zod';
import { ShutdownStep } from './commands.ts';
import { WireError } from './errors.ts';
import { HealthLevel, HealthReading } from './health.ts';
import { SessionId, SessionUid } from './ids.ts';
import { ClockStep, Gap } from './manifest.ts';
import { Mark } from './moments.ts';
import { NetworkMode } from './network.ts';
import { SessionState } from './session.ts';
import { WireTime } from './time.ts';
import { UpdateEntry, UpdatePhase } from './updates.ts';

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
  'recording/profile': z.object({
    ...base,
    session_uid: SessionUid.nullable(),
    from: z.string(),
    to: z.string(),
    reason: z.string(),
  }),
  'health/level': z.object({
    ...base,
    reading: HealthReading,
    from: HealthLevel,
    to: HealthLevel,
    text: z.string().describe('For people: the value, or why there is none'),
  }),
  'recording/moment': z.object({ ...base, mark: Mark }),
  'clock/step': z.object({ ...base, step: ClockStep }),
  'network/mode': z.object({
    ...base,
    from: NetworkMode,
    to: NetworkMode,
    ssid: z.string().nullable(),
    reason: z.string(),
  }),
  'recording/finished': z.object({
    ...base,
    session_uid: SessionUid,
    session_id: SessionId,
    part: z.int(),
    manifest: z.string().describe('Path below the storage root'),
    recovered: z.boolean(),
  }),
  'recording/deleted': z.object({
    ...base,
    session_uid: SessionUid,
    session_id: SessionId,
    part: z.int(),
    freed_bytes: z.int().min(0),
  }),
  'offload/finished': z.object({ ...base, session_uid: SessionUid, session_id: SessionId, part: z.int() }),
  'offload/failed': z.object({
    ...base,
    session_uid: SessionUid,
    session_id: SessionId,
    part: z.int(),
    error: WireError,
  }),
  'shutdown/step': z.object({
    ...base,
    step: ShutdownStep,
    ok: z.boolean(),
    message: z.string().nullable().describe('Why the shutdown ended here: the machine stays on'),
  }),
  'update/phase': z.object({
    ...base,
    from: UpdatePhase,
    to: UpdatePhase,
    version: z.string().nullable(),
    reason: z.string().nullable(),
  }),
  'update/ended': z.object({ ...base, entry: UpdateEntry }),
} as const;

export type EventName = keyof typeof EVENTS;
export type EventOf<E extends EventName> = z.infer<(typeof EVENTS)[E]>;
