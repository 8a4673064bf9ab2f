import t from 'tap';
import { createStepDetector } from '#domain/recording/clock-steps.ts';
import { timelineRows } from '#domain/recording/timeline-rows.ts';

const LOCAL_US = 1_710_511_200_000_000;

t.test('a step of the wall clock shows against the monotonic one; slewing does not', async (t) => {
  const detector = createStepDetector();
  const look = (sec: number, aheadUs: number, errorUs = 0) =>
    detector.look(sec * 1e6, LOCAL_US + sec * 1e6 + aheadUs, errorUs)?.stepUs;
  t.equal(look(0, 0), undefined, 'there is nothing to compare the first with');
  t.equal(look(1, 900), undefined, 'reading two clocks one after the other takes a moment');
  t.equal(look(2, 2_500, 2_000), undefined, 'or longer, when the clock says so');
  t.equal(look(3, 2_500), 2_500, 'a small step');
  t.equal(look(4, 2_500), undefined, 'is told once');
  t.equal(look(5, -1_997_500), -2_000_000, 'backwards');
  t.equal(look(6, -1_997_500), undefined);
});

t.test('a timeline is read up to where it can be', async (t) => {
  const row = (frame: number) => ({
    mono_us: 1_000_000 * frame,
    local: '2024-03-15T14:00:00.000000Z',
    master: null,
    ...{ offset_ms: null, bound_ms: null, ci95_ms: null, frame, pts_us: 0, bytes: 0 },
  });
  const lines = (...rows: object[]) => rows.map((each) => `${JSON.stringify(each)}\n`).join('');
  t.same(timelineRows(''), { rows: [], unreadable: undefined });
  t.same(timelineRows(lines(row(1), row(2))), { rows: [row(1), row(2)], unreadable: undefined });
  t.same(
    timelineRows(`${lines(row(1))}{"mono_us": 2`),
    { rows: [row(1)], unreadable: undefined },
    'the row that a power cut left half written is nothing to tell',
  );
  const { ci95_ms: _, ...older } = row(1);
  t.same(timelineRows(lines(older)).rows, [row(1)], 'of a version before');
  const damaged = timelineRows(`${lines(row(1))}nonsense\n${lines(row(3))}`);
  t.same(damaged.rows, [row(1)]);
  t.match(damaged.unreadable, /row 2/);
  t.match(timelineRows(lines({ ...row(1), frame: -1 })).unreadable, /row 1.*frame/);
});
