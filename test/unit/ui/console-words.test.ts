import t, { type Test } from 'tap';
import type { PanoramaResult } from '#contracts/panorama.ts';
import {
  grouped,
  jobState,
  jobTitle,
  problemOfJob,
  remainingText,
  settingsText,
  speedText,
  tookText,
} from '../../../ui/console/job-words.ts';
import { FITTED, held, panned, transformOf, zoomed } from '../../../ui/console/pan-zoom.ts';
import { momentText, offsetText } from '../../../ui/console/playback/words.ts';
import { panoramaJob, proxyJob } from './console-samples.ts';

t.test('jobs in words', (t: Test) => {
  t.equal(jobTitle(panoramaJob()), 'Panorama');
  t.equal(jobTitle(proxyJob('CAM_L/1')), 'Proxy of CAM_L');
  t.equal(jobTitle(proxyJob('CAM_L/2')), 'Proxy of CAM_L, part 2');
  t.equal(jobTitle(proxyJob('panorama')), 'Thumbnail of the panorama');
  t.equal(remainingText(null), '—');
  t.equal(remainingText(41.2), '42 s');
  t.equal(remainingText(600), '10 min');
  t.equal(remainingText(5430), '1 h 31 min');
  t.equal(speedText(1.374), '1.37 ×');
  t.equal(speedText(12.04), '12.0 ×');
  t.equal(tookText(panoramaJob()), '—');
  t.equal(
    tookText(
      panoramaJob({ started_at: '2026-01-01T00:00:00.000000Z', finished_at: '2026-01-01T00:01:05.900000Z' }),
    ),
    '1:05',
  );
  t.equal(
    settingsText(panoramaJob({ settings: { calibration: 'main-1', match_exposure: false, overlap_px: 80 } })),
    'calibration main-1, exposure as recorded, overlap 80 px',
  );
  t.end();
});

t.test('a panorama that leaves something out is done, with a warning', (t: Test) => {
  const done = (uncovered_sec: number) =>
    jobState(
      panoramaJob({ state: 'done', result: { uncovered_sec, missing: [] } as unknown as PanoramaResult }),
    );
  t.same(done(0.9), { tone: 'calm', word: 'Done' });
  t.same(done(50), { tone: 'warning', word: 'Done, 50 s missing' });
  t.end();
});

t.test('a failure is told with its remedy', (t: Test) => {
  t.match(problemOfJob({ code: 'disk_full', message: 'no space' }), {
    code: 'disk_full',
    message: 'no space',
    remedy: /.+/,
  });
  t.end();
});

t.test('what waits longest is next', (t: Test) => {
  const { running, waiting, ended } = grouped([
    panoramaJob({ job_id: 'c' }),
    panoramaJob({ job_id: 'b' }),
    panoramaJob({ job_id: 'a', state: 'running' }),
    panoramaJob({ job_id: 'z', state: 'cancelled' }),
  ]);
  t.same(
    [running, waiting, ended].map((jobs) => jobs.map(({ job_id }) => job_id)),
    [['a'], ['b', 'c'], ['z']],
  );
  t.end();
});

t.test('moments and offsets', (t: Test) => {
  t.equal(momentText(0), '0:00.00');
  t.equal(momentText(83.459), '1:23.45');
  t.equal(momentText(3600.5), '1:00:00.50');
  t.equal(momentText(0.29), '0:00.29', 'not cut by a rounding');
  t.equal(offsetText(0.0126), '+13 ms');
  t.equal(offsetText(-0.0004), '+0 ms');
  t.equal(offsetText(-0.02), '−20 ms');
  t.equal(offsetText(null), '— ms');
  t.end();
});

t.test('pan and zoom', (t: Test) => {
  const frame = { width: 1000, height: 250, aspect: 4, scaleMax: 8 };
  t.equal(transformOf(FITTED, frame), 'translate(0.00px, 0.00px) scale(1.0000)');
  t.same(panned(FITTED, frame, 0.5, 0.5), FITTED, 'the whole picture has nowhere to go');

  const right = zoomed(FITTED, frame, 2, { x: 0.75, y: 0.5 });
  t.same(right, { scale: 2, x: 0.625, y: 0.5 });
  t.equal(right.x + (0.75 - 0.5) / right.scale, 0.75, 'what was under the pointer still is');
  t.equal(transformOf(right, frame), 'translate(-750.00px, -125.00px) scale(2.0000)');

  t.same(panned(right, frame, 1, 0), { scale: 2, x: 0.25, y: 0.5 }, 'to the left edge and no further');
  t.same(zoomed(right, frame, 0.1), FITTED);
  t.equal(zoomed(right, frame, 100).scale, 8);

  const tall = { ...frame, height: 500 };
  t.equal(transformOf(FITTED, tall), 'translate(0.00px, 125.00px) scale(1.0000)', 'bars above and below');
  t.equal(zoomed(FITTED, tall, 2, { x: 0.5, y: 1 }).y, 0.5, 'no pan while all of it fits');
  t.same(held({ scale: 0.2, x: 9, y: -9 }, frame), FITTED);
  t.end();
});
