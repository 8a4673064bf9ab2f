import { parseOrThrow, TouchlineError } from '#contracts/errors.ts';
import { TimelineRow } from '#contracts/manifest.ts';

/**
 * The rows of a timeline file, up to the first that cannot be read, and why that is so. A last row without its end is what a power
 * cut leaves: it is nothing to tell.
 */
export function timelineRows(text: string): { rows: TimelineRow[]; unreadable: string | undefined } {
  const rows: TimelineRow[] = [];
  const whole = text.slice(0, text.lastIndexOf('\n') + 1);
  for (const [n, line] of whole.split('\n').entries()) {
    if (line === '') continue;
    try {
      rows.push(parseOrThrow(TimelineRow, JSON.parse(line), 'invalid_field', `row ${n + 1}`));
    } catch (error) {
      if (!(error instanceof SyntaxError || error instanceof TouchlineError)) throw error;
      return { rows, unreadable: `row ${n + 1} of the timeline cannot be read: ${error.message}` };
    }
  }
  return { rows, unreadable: undefined };
}
