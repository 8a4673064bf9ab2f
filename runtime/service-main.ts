import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { loadConfig } from './config.ts';
import { group, runUntilSignal, type Unit } from './lifecycle.ts';
import { createLogger, type Logger, type LogLevel } from './logger.ts';
import { SOFTWARE_VERSION } from './version.ts';

/** What every long-running program takes on its command line. */
const OPTIONS = {
  config: { type: 'string' },
  set: { type: 'string', multiple: true },
  'log-file': { type: 'string' },
  'until-stdin-closes': { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
  version: { type: 'boolean' },
} as const satisfies ParseArgsConfig['options'];

const USAGE = `--config FILE             YAML configuration
--set section.key=value   one value, wins over file and environment; may be repeated
--log-file FILE           log there instead of stderr
--until-stdin-closes      end when stdin does: whoever started this is gone`;

export interface ServiceOptions {
  readonly config?: string | undefined;
  readonly set?: readonly string[] | undefined;
  readonly logFile?: string | undefined;
  readonly untilStdinCloses?: boolean | undefined;
}

type ServiceSchema = z.ZodType<{ log_level: LogLevel }>;

interface ServiceParts<S extends ServiceSchema> {
  /** Name of the service, as in `SERVICES`. */
  readonly name: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly schema: S;
  readonly create: (parts: { config: z.output<S>; log: Logger; version: string }) => Unit;
  /** A line for whoever started it by hand: where its page is. */
  readonly listens?: (config: z.output<S>) => string;
}

/**
 * Runs one service as a process: arguments, configuration, log, then until a signal. What is wrong with arguments
 * or configuration goes to stderr in words, with exit code 2; a service that fails to start ends with 1.
 * `argv` are the arguments without program and script.
 */
export async function runService<S extends ServiceSchema>(
  main: ServiceParts<S> & { readonly argv: readonly string[] },
): Promise<void> {
  try {
    const values = readArguments(main.argv);
    if (values.help || values.version) {
      process.stdout.write(values.help ? `touchline ${main.name}\n\n${USAGE}\n` : `${SOFTWARE_VERSION}\n`);
      return;
    }
    await startService(main, {
      config: values.config,
      set: values.set,
      logFile: values['log-file'],
      untilStdinCloses: values['until-stdin-closes'],
    });
  } catch (error) {
    if (!(error instanceof TouchlineError)) throw error;
    process.stderr.write(`${main.name} does not start.\n${error.message}\n${error.remedy}\n`);
    process.exitCode = 2;
  }
}

/** The same with options that are read already. Throws `configuration_invalid` before anything starts. */
export async function startService<S extends ServiceSchema>(
  main: ServiceParts<S>,
  options: ServiceOptions,
): Promise<void> {
  const { config } = loadConfig(main.schema, { file: options.config, env: main.env, flags: options.set });
  const log = createLogger({ name: main.name, level: config.log_level, file: options.logFile });
  // As a group, so that what a failed start has left running is stopped, and the process can end.
  const unit = group(main.create({ config, log, version: SOFTWARE_VERSION }));
  const shown =
    options.logFile === undefined && !options.untilStdinCloses ? toldPlainly(main, config, unit) : unit;
  await runUntilSignal(shown, log, options.untilStdinCloses ? untilStdinCloses() : undefined);
}

/** Beside the log, a person reads in plain words that it started, or why it did not. */
function toldPlainly<S extends ServiceSchema>(main: ServiceParts<S>, config: z.output<S>, unit: Unit): Unit {
  return {
    ...unit,
    async start(signal) {
      try {
        await unit.start(signal);
      } catch (error) {
        if (error instanceof TouchlineError)
          process.stderr.write(`${main.name} does not start: ${error.message}\n${error.remedy}\n`);
        throw error;
      }
      if (main.listens !== undefined) process.stderr.write(`${main.listens(config)}\n`);
    },
  };
}

/** Aborts when stdin ends: the pipe that a parent holds closes even when the parent is killed. */
function untilStdinCloses(): AbortSignal {
  const control = new AbortController();
  const end = (): void => control.abort(new Error('whoever started this is gone'));
  process.stdin.once('end', end).once('close', end).once('error', end);
  process.stdin.resume();
  // The pipe alone must not keep a program alive that has ended for another reason.
  (process.stdin as { unref?: () => void }).unref?.();
  return control.signal;
}

function readArguments(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: OPTIONS, strict: true }).values;
  } catch (error) {
    throw new TouchlineError('invalid_field', `${(error as Error).message}\n\n${USAGE}`, { cause: error });
  }
}
