import { z } from 'zod';
import { WireError } from './errors.ts';
import { CameraId, CommandId, SessionId, SessionUid } from './ids.ts';
import { Gate } from './manifest.ts';
import { CameraReadiness, SessionState } from './session.ts';
import { WireTime } from './time.ts';

/**
 * Commands, described once: the MQTT handler, the Unix socket, the REST route and the documents all come from here.
 * A command is published to `…/cmd/{service}/{name}` as `{v, id, expires_at?, …input}` and answered on `…/reply/{id}`.
 */

export const CommandEnvelope = z.object({
  v: z.literal(1).default(1),
  id: CommandId,
  expires_at: WireTime.optional().describe('Refused after this instant'),
  issued_by: z.string().max(64).optional().describe('Who asked, for the log'),
});

interface CommandSpec<I extends z.ZodType, O extends z.ZodType> {
  readonly service: 'recorder' | 'sync-agent' | 'housekeeper';
  readonly name: string;
  readonly about: string;
  readonly input: I;
  readonly output: O;
  /** Longest time between sending and executing, milliseconds. */
  readonly ttlMs: number;
  /** Whether a bridge carries it to other nodes. */
  readonly rigWide: boolean;
}

const spec = <I extends z.ZodType, O extends z.ZodType>(command: CommandSpec<I, O>): CommandSpec<I, O> =>
  command;

const START_STOP_TTL_MS = 10_000;

const RecorderAnswer = z.object({
  camera_id: CameraId,
  state: SessionState,
  session_uid: SessionUid.nullable(),
});

export const StartResult = z.object({
  session_uid: SessionUid,
  session_id: SessionId,
  conductor: CameraId,
  start_at: WireTime,
  cameras: z.array(CameraReadiness),
});
export type StartResult = z.infer<typeof StartResult>;

export const StopResult = z.object({
  session_uid: SessionUid,
  session_id: SessionId,
  stop_at: WireTime,
  cameras: z.array(CameraReadiness),
});
export type StopResult = z.infer<typeof StopResult>;

export const StartInput = z.object({
  session_id: SessionId.optional().describe('Name of the session; generated when left out'),
  override: z.boolean().default(false).describe('Record although a soft gate warns'),
  max_duration_sec: z
    .int()
    .min(1)
    .max(24 * 3600)
    .optional()
    .describe('Ends by itself after this; 180 minutes when left out'),
});

export const StopInput = z.object({
  session_uid: SessionUid.optional().describe('Only this session; any when left out'),
});

export const COMMANDS = {
  rigStart: spec({
    service: 'sync-agent',
    name: 'start',
    about: 'Start the whole rig. The master conducts; when it is silent, the node that was asked does.',
    input: StartInput,
    output: StartResult,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  rigStop: spec({
    service: 'sync-agent',
    name: 'stop',
    about: 'Stop the whole rig.',
    input: StopInput,
    output: StopResult,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  conduct: spec({
    service: 'sync-agent',
    name: 'conduct',
    about:
      'A start or stop handed to the master by another node; answered at once, the result is the rig session record.',
    input: z.discriminatedUnion('what', [
      z.object({ what: z.literal('start'), ...StartInput.shape }),
      z.object({ what: z.literal('stop'), ...StopInput.shape }),
    ]),
    output: z.object({ conductor: CameraId, session_uid: SessionUid, session_id: SessionId }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  prepare: spec({
    service: 'recorder',
    name: 'prepare',
    about: 'Get ready for a session and say whether this node can record.',
    input: z.object({
      session_uid: SessionUid,
      session_id: SessionId,
      conductor: CameraId,
      rank: z.int().min(0).describe('Of two conductors at once the lower rank wins; the master has 0'),
      override: z.boolean().default(false),
      max_duration_sec: z.int().min(1),
    }),
    output: RecorderAnswer.extend({
      session_id: SessionId,
      ready: z.boolean(),
      gates: z.array(Gate),
    }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  start: spec({
    service: 'recorder',
    name: 'start',
    about: 'Start the prepared session at an instant of master time.',
    input: z.object({ session_uid: SessionUid, start_at: WireTime }),
    output: RecorderAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  stop: spec({
    service: 'recorder',
    name: 'stop',
    about: 'Stop at an instant of master time (at once when left out), or give up what was prepared.',
    input: z.object({ session_uid: SessionUid.optional(), stop_at: WireTime.optional() }),
    output: RecorderAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  offload: spec({
    service: 'housekeeper',
    name: 'offload',
    about: 'Bring home now what is not offloaded yet.',
    input: z.object({ session_uid: SessionUid.optional() }),
    output: z.object({ queued: z.int().min(0) }),
    ttlMs: 3_600_000,
    rigWide: false,
  }),
} as const;

export type CommandKey = keyof typeof COMMANDS;
export type CommandInput<K extends CommandKey> = z.input<(typeof COMMANDS)[K]['input']>;
export type CommandArguments<K extends CommandKey> = z.output<(typeof COMMANDS)[K]['input']>;
export type CommandResult<K extends CommandKey> = z.output<(typeof COMMANDS)[K]['output']>;

/** Stands for the id in the reply to a command that carries none that can be used: `…/reply/invalid`. */
export const NO_COMMAND_ID = 'invalid';

/** What appears on `…/reply/{id}`. */
export const CommandReply = z
  .discriminatedUnion('ok', [
    z.object({ v: z.literal(1), id: CommandId, ok: z.literal(true), result: z.unknown() }),
    z.object({ v: z.literal(1), id: CommandId, ok: z.literal(false), error: WireError }),
  ])
  .describe('Answer to a command');
export type CommandReply = z.infer<typeof CommandReply>;
