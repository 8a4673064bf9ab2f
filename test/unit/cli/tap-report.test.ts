import t, { type Test } from 'tap';
import { tapReport } from '../../../cli/tap-report.ts';

function report(text: string): {
  lines: string[];
  counts: ReturnType<ReturnType<typeof tapReport>['counts']>;
} {
  const lines: string[] = [];
  const read = tapReport((line) => lines.push(line));
  for (const line of text.split('\n')) read.line(line);
  return { lines, counts: read.counts() };
}

const FAILED_RUN = `TAP version 14
1..2
# Subtest: test/a.test.ts
    # Subtest: adds
        ok 1 - one
        not ok 2 - two
          ---
          diff: |
            -1
            +2
          ...
        1..2
    not ok 1 - adds # time=1.5ms
    
    1..1
    # time=20ms
not ok 1 - test/a.test.ts # time=1234.5ms
  ---
  exitCode: 1
  ...

# Subtest: test/b.test.ts
    ok 1 - fine
    1..1
ok 2 - test/b.test.ts # time=30ms

# No coverage generated
# { total: 3, pass: 2, fail: 1 }
# time=1300ms`;

t.test('a line per file, failures with their diagnosis, the counts of tap', (t: Test) => {
  const { lines, counts } = report(FAILED_RUN);
  t.same(counts, { total: 3, pass: 2, fail: 1, skip: 0, todo: 0 });
  t.same(
    lines.filter((line) => /^(ok|FAIL)/.test(line)),
    ['FAIL    1.2 s  test/a.test.ts', 'ok      0.0 s  test/b.test.ts'],
  );
  t.ok(lines.includes('        not ok 2 - two'));
  t.ok(lines.includes('            +2'), 'the diagnosis is there');
  t.ok(lines.includes('  in test/a.test.ts'));
  t.ok(lines.includes('  exitCode: 1'), 'of the file, too');
  t.notOk(
    lines.some((line) => line.includes('fine')),
    'what passed is not listed',
  );
  t.equal(lines.at(-2), '# { total: 3, pass: 2, fail: 1 }');
  t.end();
});

t.test('a run that broke off has no counts', (t: Test) => {
  t.equal(report('TAP version 14\n# Subtest: a\n    ok 1 - x\n').counts, undefined);
  const skipped = report('ok 1 - a\n# { total: 5, pass: 3, skip: 1, todo: 1 }');
  t.same(skipped.counts, { total: 5, pass: 3, fail: 0, skip: 1, todo: 1 });
  t.match(report('Bail out! no').lines, ['Bail out! no']);
  t.end();
});
