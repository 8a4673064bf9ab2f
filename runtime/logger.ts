import { pino } from 'pino';

export type Logger = pino.Logger;
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'silent';

/**
 * Structured log on stderr, one JSON object a line, so that stdout stays free for results.
 * `name` is the service name; times are RFC 3339 UTC. `file` appends there instead (a node in a demo, say).
 */
export function createLogger(options: { name: string; level: LogLevel; file?: string | undefined }): Logger {
  return pino(
    {
      name: options.name,
      level: options.level,
      timestamp: pino.stdTimeFunctions.isoTime,
      base: { pid: process.pid },
    },
    pino.destination({ dest: options.file ?? 2, mkdir: true, sync: true }),
  );
}
