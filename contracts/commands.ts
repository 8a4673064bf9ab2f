import { z } from 'zod';
import { WireError } from './errors.ts';
import { CameraId, CommandId, Part, SessionId, SessionUid } from './ids.ts';
import { Gate, LockView } from './manifest.ts';
import { Mark, MomentInput } from './moments.ts';
import { CameraReadiness, SessionState } from './session.ts';
import { SelfTestResult } from './states.ts';
import { WireTime } from './time.ts';
import { UpdateAnswer, UpdateApplyInput } from './updates.ts';

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
  readonly service: 'recorder' | 'sync-agent' | 'housekeeper' | 'signals' | 'updater';
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

export const DeleteOffloadedResult = z.object({
  camera_id: CameraId,
  deleted: z.int().min(0).describe('Recordings'),
  freed_bytes: z.int().min(0),
  kept: z
    .array(z.object({ session_uid: SessionUid, session_id: SessionId, part: Part, reason: z.string() }))
    .describe('Offloaded, and left alone'),
});
export type DeleteOffloadedResult = z.infer<typeof DeleteOffloadedResult>;

export const ShutdownStep = z
  .enum(['stop', 'finalize', 'write', 'power-off'])
  .describe('Recording stopped, files finished, everything written, power-off accepted');
export type ShutdownStep = z.infer<typeof ShutdownStep>;

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
  arm: spec({
    service: 'recorder',
    name: 'arm',
    about: 'Run the camera and keep the last 15 s for the start to come. Expires after 30 minutes.',
    input: z.object({}),
    output: RecorderAnswer.extend({ armed_until: WireTime }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  disarm: spec({
    service: 'recorder',
    name: 'disarm',
    about: 'Give up arming.',
    input: z.object({}),
    output: RecorderAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  selfTest: spec({
    service: 'recorder',
    name: 'self-test',
    about: 'Record a clip, check it, delete it; measure encoder and disk. Refused while a session is open.',
    input: z.object({ seconds: z.int().min(2).max(60).default(10) }),
    output: SelfTestResult,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  lockView: spec({
    service: 'recorder',
    name: 'lock-view',
    about: 'Take a picture at full resolution as the reference of where the camera looks.',
    input: z.object({}),
    output: LockView,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  moment: spec({
    service: 'recorder',
    name: 'moment',
    about: 'Mark this moment of the recording. Refused while nothing is recorded.',
    input: MomentInput,
    output: Mark,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  audio: spec({
    service: 'recorder',
    name: 'audio',
    about: 'Switch the audio track of the recordings to come on or off. Refused while recording.',
    input: z.object({ enabled: z.boolean() }),
    output: RecorderAnswer.extend({ enabled: z.boolean() }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  preview: spec({
    service: 'recorder',
    name: 'preview',
    about: 'Switch the previews on or off.',
    input: z.object({ enabled: z.boolean() }),
    output: RecorderAnswer.extend({ enabled: z.boolean() }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  promote: spec({
    service: 'sync-agent',
    name: 'promote',
    about:
      'Make this node the master of time and starts, until another is promoted. Refused while recording.',
    input: z.object({}),
    output: z.object({ master: CameraId }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  setTime: spec({
    service: 'sync-agent',
    name: 'set-time',
    about: 'Set an unset clock from a phone or browser. Refused while recording and when the clock is set.',
    input: z.object({ time: WireTime }),
    output: z.object({ step_ms: z.number() }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: false,
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
  deleteOffloaded: spec({
    service: 'housekeeper',
    name: 'delete-offloaded',
    about: 'Delete every recording that is offloaded and whose session is over.',
    input: z.object({}),
    output: DeleteOffloadedResult,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  shutdown: spec({
    service: 'housekeeper',
    name: 'shutdown',
    about:
      'Finish what is recorded, write everything, power the machine off. Refused while recording unless confirmed twice.',
    input: z.object({
      confirmations: z
        .int()
        .min(0)
        .max(2)
        .default(0)
        .describe('How often a person said so; while recording it has to be 2'),
    }),
    output: z.object({
      camera_id: CameraId,
      steps: z.array(ShutdownStep).describe('What was done, in order'),
    }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  mute: spec({
    service: 'signals',
    name: 'mute',
    about: 'Switch the tones off or on again; those of start and stop always sound.',
    input: z.object({ muted: z.boolean() }),
    output: z.object({ camera_id: CameraId, muted: z.boolean() }),
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  updateCheck: spec({
    service: 'updater',
    name: 'check',
    about: 'Ask the source of updates for something newer.',
    input: z.object({}),
    output: UpdateAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  updateApply: spec({
    service: 'updater',
    name: 'apply',
    about:
      'Apply the update that waits. Refused while something is armed or recorded, unless it may be queued.',
    input: UpdateApplyInput,
    output: UpdateAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
  }),
  updateRollback: spec({
    service: 'updater',
    name: 'rollback',
    about: 'Go back to the version before. Refused while something is armed or recorded.',
    input: z.object({}),
    output: UpdateAnswer,
    ttlMs: START_STOP_TTL_MS,
    rigWide: true,
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
