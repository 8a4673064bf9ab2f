import {
  COMMANDS,
  type CommandArguments,
  CommandEnvelope,
  type CommandKey,
  type CommandReply,
  type CommandResult,
  NO_COMMAND_ID,
} from '#contracts/commands.ts';
import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { CommandId } from '#contracts/ids.ts';
import { fromWireTime } from '#contracts/time.ts';
import type { Clock } from '#ports/clock/clock.ts';
import type { Logger } from '../logger.ts';
import type { CommandContext } from './bus.ts';

/** Replies are remembered this long and this many: a command runs at most once per id. */
const REMEMBERED_US = 3600 * 1_000_000;
export const REPLIES_REMEMBERED = 10_000;

/** 2020-01-01. A clock before it was never set (a Raspberry Pi without network), and says nothing about expiry. */
const CLOCK_SET_SINCE_US = 1_577_836_800_000_000;

export type CommandHandler<K extends CommandKey> = (
  input: CommandArguments<K>,
  context: CommandContext,
) => Promise<CommandResult<K>>;

export interface ReceivedCommand {
  readonly service: string;
  readonly name: string;
  /** JSON text as it came. */
  readonly payload: string;
  readonly retained: boolean;
  readonly rigWide: boolean;
}

export interface CommandExecutor {
  handle<K extends CommandKey>(command: K, handler: CommandHandler<K>): void;
  /** Never rejects. A command without a usable id is answered with the id `invalid`. */
  execute(command: ReceivedCommand): Promise<CommandReply>;
  /** Refuses what comes from now on with `shutting_down`, and waits for what runs, at most `graceMs`. */
  close(graceMs: number): Promise<void>;
}

interface Remembered {
  readonly command: CommandKey;
  readonly atMonoUs: number;
  readonly reply: Promise<CommandReply>;
  settled: boolean;
}

/** Decides whether a command runs, runs it at most once per id, and makes its reply. */
export function createCommandExecutor({ clock, log }: { clock: Clock; log: Logger }): CommandExecutor {
  const handlers = new Map<CommandKey, CommandHandler<CommandKey>>();
  const remembered = new Map<string, Remembered>();
  let closing = false;

  /** Refusals are made before anything runs and are not remembered: only what ran must not run again. */
  const accept = (received: ReceivedCommand) => {
    const body = parseJson(received.payload);
    const envelope = parseOrThrow(CommandEnvelope, body, 'invalid_field', 'the command');
    const where = `${received.service}/${received.name}`;
    if (received.retained)
      throw new TouchlineError(
        'command_retained',
        `${where} was published with the retain flag and is not executed`,
      );
    const key = keyOf(received);
    const handler = key && handlers.get(key);
    if (!key || !handler)
      throw new TouchlineError('command_unknown', `there is no command ${where} here`, {
        details: {
          commands: [...handlers.keys()].map((known) => `${COMMANDS[known].service}/${COMMANDS[known].name}`),
        },
      });
    return {
      key,
      handler,
      envelope,
      where,
      input: parseOrThrow(COMMANDS[key].input, body, 'invalid_field', where),
    };
  };

  const run = async (accepted: ReturnType<typeof accept>, rigWide: boolean): Promise<CommandReply> => {
    const { key, handler, envelope, input, where } = accepted;
    const { id } = envelope;
    try {
      const result = await handler(input, { id, issuedBy: envelope.issued_by, rigWide });
      return {
        v: 1,
        id,
        ok: true,
        result: parseOrThrow(COMMANDS[key].output, result, 'internal', `the answer of ${where}`),
      };
    } catch (error) {
      return failure(id, error, where);
    }
  };

  const failure = (id: string, error: unknown, where: string): CommandReply => {
    const known = error instanceof TouchlineError ? error : undefined;
    if (!known || known.code === 'internal')
      log.error({ err: error, id, command: where }, 'a command failed');
    else log.info({ id, command: where, code: known.code, field: known.field }, known.message);
    const wire = (
      known ?? new TouchlineError('internal', 'something went wrong that should not have; the log has it')
    ).toWire();
    return { v: 1, id, ok: false, error: wire };
  };

  const forget = (): void => {
    for (const [id, entry] of remembered) {
      const tooOld = clock.monoUs() - entry.atMonoUs > REMEMBERED_US;
      if (!tooOld && remembered.size <= REPLIES_REMEMBERED) return;
      if (entry.settled) remembered.delete(id);
    }
  };

  /** A stop must never be answered with the reply of a start. */
  const refuseReuse = (first: Remembered, { key, envelope, where }: ReturnType<typeof accept>): void => {
    if (first.command === key) return;
    const { service, name } = COMMANDS[first.command];
    throw new TouchlineError(
      'conflict',
      `the id "${envelope.id}" was already used for ${service}/${name}; send ${where} with a new id`,
    );
  };

  const refuseExpired = ({ expires_at }: CommandEnvelopeValue, where: string): void => {
    const now = clock.wallUs();
    if (expires_at === undefined || now < CLOCK_SET_SINCE_US || fromWireTime(expires_at) >= now) return;
    throw new TouchlineError('command_expired', `${where} expired at ${expires_at} and is not executed`);
  };

  return {
    handle(command, handler) {
      if (handlers.has(command)) throw new TouchlineError('internal', `${command} is handled twice`);
      handlers.set(command, handler as unknown as CommandHandler<CommandKey>);
    },
    async execute(received) {
      let accepted: ReturnType<typeof accept>;
      try {
        accepted = accept(received);
        forget();
        const first = remembered.get(accepted.envelope.id);
        if (first) {
          refuseReuse(first, accepted);
          return await first.reply;
        }
        if (closing) throw new TouchlineError('shutting_down', 'the service is stopping');
        refuseExpired(accepted.envelope, accepted.where);
      } catch (error) {
        return failure(idOf(received.payload), error, `${received.service}/${received.name}`);
      }
      const { id } = accepted.envelope;
      const entry: Remembered = {
        command: accepted.key,
        atMonoUs: clock.monoUs(),
        reply: run(accepted, received.rigWide),
        settled: false,
      };
      remembered.set(id, entry);
      const reply = await entry.reply;
      entry.settled = true;
      return reply;
    },
    async close(graceMs) {
      closing = true;
      const running = [...remembered.values()].filter(({ settled }) => !settled).map(({ reply }) => reply);
      if (running.length === 0) return;
      const limit = new AbortController();
      await Promise.race([
        Promise.all(running),
        clock
          .sleepUntil(clock.monoUs() + graceMs * 1000, 'commands that still run', limit.signal)
          .catch(() => undefined),
      ]);
      limit.abort();
    },
  };
}

type CommandEnvelopeValue = ReturnType<typeof CommandEnvelope.parse>;

function keyOf({ service, name }: ReceivedCommand): CommandKey | undefined {
  return (Object.keys(COMMANDS) as CommandKey[]).find(
    (key) => COMMANDS[key].service === service && COMMANDS[key].name === name,
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new TouchlineError('invalid_json', `the command is not JSON: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** The id of whatever came, or the stand-in for none. */
function idOf(payload: string): string {
  try {
    const { id } = (JSON.parse(payload) ?? {}) as { id?: unknown };
    return CommandId.safeParse(id).success ? (id as string) : NO_COMMAND_ID;
  } catch {
    return NO_COMMAND_ID;
  }
}
