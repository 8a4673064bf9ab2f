/** What a test run comes to, as tap counted it. */
export interface Counts {
  total: number;
  pass: number;
  fail: number;
  skip: number;
  todo: number;
}

const SUMMARY = /^# \{ (.*) \}$/;
const RESULT = /^(not ok|ok) \d+ - (.*?)(?: # time=([\d.]+)ms)?$/;
const FILE = /^# Subtest: (.*)$/;
const FAILED = /^( +)not ok \d+/;

/**
 * Reads TAP line by line and writes what a person wants of it: a line per file, each failure with its diagnosis,
 * and tap's own summary. `counts` is undefined until that summary came: a run that broke off has none.
 */
export function tapReport(write: (line: string) => void): {
  line(text: string): void;
  counts(): Counts | undefined;
} {
  let counts: Counts | undefined;
  let file = '';
  /** Indentation of the failure being copied, and whether its YAML block has begun. */
  let failure: { indent: string; diagnosis: boolean } | undefined;

  const topLevel = (text: string): void => {
    const summary = SUMMARY.exec(text);
    const result = RESULT.exec(text);
    if (summary !== null) counts = readCounts(summary[1] ?? '');
    if (result !== null) {
      const seconds = (Number(result[3] ?? 0) / 1000).toFixed(1);
      write(`${result[1] === 'ok' ? 'ok  ' : 'FAIL'}  ${seconds.padStart(5)} s  ${result[2]}`);
    } else if (text.startsWith('# ') && !text.startsWith('# No coverage')) {
      file = FILE.exec(text)?.[1] ?? '';
      if (file === '') write(text);
    } else if (text.startsWith('Bail out!')) write(text);
  };

  return {
    line(text) {
      if (failure !== undefined) {
        const body = text.trim();
        if (text.startsWith(`${failure.indent}  `) && (failure.diagnosis || body === '---')) {
          write(text);
          failure =
            body === '...' && text.startsWith(`${failure.indent}  ...`)
              ? undefined
              : { ...failure, diagnosis: true };
          return;
        }
        failure = undefined;
      }
      const failed = FAILED.exec(text);
      if (failed !== null) {
        failure = { indent: failed[1] ?? '', diagnosis: false };
        write(`  in ${file}`);
        write(text);
      } else if (!text.startsWith(' ')) {
        if (/^not ok/.test(text)) failure = { indent: '', diagnosis: false };
        topLevel(text);
      }
    },
    counts: () => counts,
  };
}

/** `total: 3, pass: 2, fail: 1` → numbers; what tap leaves out is 0. */
function readCounts(text: string): Counts {
  const found: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(/(\w+): (\d+)/g)) found[name ?? ''] = Number(value);
  const { total = 0, pass = 0, fail = 0, skip = 0, todo = 0 } = found;
  return { total, pass, fail, skip, todo };
}
