import { type ParseArgsConfig, parseArgs } from 'node:util';
import type { z } from 'zod';
import { TouchlineError } from '#contracts/errors.ts';
import { type LoadedConfig, loadConfig } from './config.ts';
import { runUntilSignal, type Unit } from './lifecycle.ts';
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

export interface ServiceMain<S extends z.ZodType<{ log_level: LogLevel }>> {
  /** Name of the service, as in `SERVICES`. */
  readonly name: string;
  /** Arguments without program and script. */
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly schema: S;
  readonly create: (parts: { config: z.output<S>; log: Logger; version: string }) => Unit;
}

/**
 * Runs one service as a process: arguments, configuration, log, then until a signal. What is wrong with arguments
 * or configuration goes to stderr in words, with exit code 2; a service that fails to start ends with 1.
 */
export async function runService<S extends z.ZodType<{ log_level: LogLevel }>>(
  main: ServiceMain<S>,
): Promise<void> {
  let values: ReturnType<typeof readArguments>;
  let loaded: LoadedConfig<z.output<S>>;
  try {
    values = readArguments(main.argv);
    if (values.help || values.version) {
      process.stdout.write(values.help ? `touchline ${main.name}\n\n${USAGE}\n` : `${SOFTWARE_VERSION}\n`);
      return;
    }
    loaded = loadConfig(main.schema, { file: values.config, env: main.env, flags: values.set });
  } catch (error) {
    if (!(error instanceof TouchlineError)) throw error;
    process.stderr.write(`${main.name} does not start.\n${error.message}\n${error.remedy}\n`);
    process.exitCode = 2;
    return;
  }
  const { config } = loaded;
  const log = createLogger({ name: main.name, level: config.log_level, file: values['log-file'] });
  const unit = main.create({ config, log, version: SOFTWARE_VERSION });
  await runUntilSignal(unit, log, values['until-stdin-closes'] ? untilStdinCloses() : undefined);
}

/** Aborts when stdin ends: the pipe that a parent holds closes even when the parent is killed. */
export function untilStdinCloses(): AbortSignal {
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
