import { SerialPort } from 'serialport';
import { TouchlineError } from '#contracts/errors.ts';
import { type LineRefusal, LONGEST_LINE_CHARS, parseBatteryLine } from '#domain/health/battery-line.ts';
import type { BatteryGauge, BatteryListener } from './battery.ts';

const WHY: Readonly<Record<LineRefusal, string>> = {
  foreign: 'a line that is not of this protocol (does the speed fit?)',
  malformed: 'a line that is damaged',
  checksum: 'a line with a wrong checksum',
  range: 'a line with an impossible value',
};

const TOO_LONG = 'more bytes than a line has';

/** A board that tells its charge in lines on a serial port, as docs/battery.md says. */
export function serialBattery(options: { readonly device: string; readonly baud: number }): BatteryGauge {
  const { device, baud } = options;
  const name = `the battery on ${device}`;
  const failed = (what: string, cause?: unknown): TouchlineError =>
    new TouchlineError('sensor_failed', `${name} ${what}`, { field: 'sensors.battery_device', cause });
  return {
    name,
    async open(listener) {
      const port = new SerialPort({ path: device, baudRate: baud, autoOpen: false, hupcl: false });
      await new Promise<void>((resolve, reject) =>
        port.open((error) =>
          error ? reject(failed(`cannot be opened: ${error.message}`, error)) : resolve(),
        ),
      );
      const ended = Promise.withResolvers<TouchlineError | undefined>();
      let closing = false;
      port.on('data', lineFinder(listener));
      // An error that matters closes the port.
      port.on('error', (error) => listener.refused(`the port says: ${error.message}`));
      port.once('close', (error: Error | null | undefined) =>
        ended.resolve(closing ? undefined : failed(`is gone: ${error?.message ?? 'the port closed'}`, error)),
      );
      return {
        ended: ended.promise,
        async close() {
          if (!closing && port.isOpen) {
            closing = true;
            // A port that went away at the same moment is closed all the same.
            port.close(() => undefined);
          }
          await ended.promise;
        },
      };
    },
  };
}

/** Finds lines in what arrives in pieces. What has no end is given up after the longest line there can be. */
export function lineFinder(listener: BatteryListener): (piece: Buffer) => void {
  let rest = '';
  /** Within something that was given up already: its end is no line. */
  let overflowing = false;
  /** The port was opened in the middle of a line, most likely: that one is nobody's fault. */
  let first = true;
  return (piece) => {
    const lines = (rest + piece.toString('latin1')).split(/\r?\n|\r/);
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const whole = !overflowing;
      overflowing = false;
      if (whole && line.length > LONGEST_LINE_CHARS) listener.refused(TOO_LONG);
      else if (whole && line !== '') take(line);
    }
    if (rest.length <= LONGEST_LINE_CHARS) return;
    if (!overflowing) listener.refused(TOO_LONG);
    rest = '';
    overflowing = true;
  };

  function take(line: string): void {
    const parsed = parseBatteryLine(line);
    if ('reading' in parsed) listener.reading(parsed.reading);
    else if (!first) listener.refused(WHY[parsed.refused] + (parsed.field ? `: ${parsed.field}` : ''));
    first = false;
  }
}
