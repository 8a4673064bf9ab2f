import t, { type Test } from 'tap';
import {
  changed,
  deviceKey,
  jobsOf,
  NOTHING_YET,
  sessionsInOrder,
} from '../../../ui/console/central-data.ts';
import { hrefOf, parseRoute } from '../../../ui/console/page-route.ts';
import { percent, summarizeSession, thumbnailOf } from '../../../ui/console/session-summary.ts';
import { device, panoramaJob, proxyJob, recording, session } from './console-samples.ts';

t.test('addresses of screens', (t: Test) => {
  t.same(parseRoute(''), { page: 'sessions' });
  t.same(parseRoute('#/'), { page: 'sessions' });
  t.same(parseRoute('#/sessions'), { page: 'sessions' });
  t.same(parseRoute('#/sessions/01H'), { page: 'session', uid: '01H', view: null });
  t.same(parseRoute('#/sessions/01H/panorama'), { page: 'session', uid: '01H', view: 'panorama' });
  t.same(parseRoute('#/jobs'), { page: 'jobs' });
  for (const wrong of ['#/sessions/01H/other', '#/jobs/1', '#/a/b/c/d', '#/settings'])
    t.same(parseRoute(wrong), { page: 'unknown' }, wrong);
  t.same(parseRoute('#/sessions/%'), { page: 'session', uid: '%', view: null }, 'not decodable');
  for (const route of [
    { page: 'session', uid: 'a/b', view: 'cameras' },
    { page: 'session', uid: '01H', view: null },
    { page: 'devices' },
  ] as const)
    t.same(parseRoute(hrefOf(route)), route);
  t.end();
});

t.test('what an event said while a list was on its way is newer than the list', (t: Test) => {
  const early = panoramaJob({ job_id: 'a', progress: 0.1 });
  let data = changed(NOTHING_YET, { kind: 'load-begins' });
  data = changed(data, { kind: 'job', job: { ...early, progress: 0.5 } });
  t.equal(data.loaded, false);
  data = changed(data, { kind: 'loaded', sessions: [session()], jobs: [early], devices: [device()] });
  t.equal(data.loaded, true);
  t.equal(data.jobs.get('a')?.progress, 0.5);
  t.equal(data.sessions.size, 1);

  data = changed(data, { kind: 'load-begins' });
  data = changed(data, { kind: 'loaded', sessions: [], jobs: [], devices: [] });
  t.equal(data.jobs.size, 0, 'what is gone goes');
  data = changed(data, { kind: 'device', device: device({ available: false }) });
  t.equal(data.devices.get(deviceKey(device()))?.available, false);
  t.end();
});

t.test('jobs of a session: the last word on each, the newest first', (t: Test) => {
  const old = panoramaJob({ job_id: 'a', state: 'running', created_at: '2026-01-01T00:00:00.000000Z' });
  const later = panoramaJob({ job_id: 'b', created_at: '2026-01-02T00:00:00.000000Z' });
  const other = panoramaJob({ job_id: 'c', session_uid: '01KAJ000000000000000000099' });
  const mine = session({ jobs: [old] });
  let data = NOTHING_YET;
  for (const job of [later, other, { ...old, state: 'done' as const }])
    data = changed(data, { kind: 'job', job });
  t.same(
    jobsOf(data, mine).map(({ job_id, state }) => [job_id, state]),
    [
      ['b', 'queued'],
      ['a', 'done'],
    ],
  );
  t.end();
});

t.test('the newest session first', (t: Test) => {
  let data = NOTHING_YET;
  for (const session_uid of [
    '01KAJ000000000000000000002',
    '01KAJ000000000000000000003',
    '01KAJ000000000000000000001',
  ])
    data = changed(data, { kind: 'session', session: session({ session_uid }) });
  t.same(
    sessionsInOrder(data).map(({ session_uid }) => session_uid.slice(-1)),
    ['3', '2', '1'],
  );
  t.end();
});

t.test('a session in one or two words', (t: Test) => {
  const of = (...[given, jobs]: Parameters<typeof summarizeSession>) => {
    const { state, words, progress } = summarizeSession(given, jobs);
    return [state, words, progress];
  };
  const whole = session();
  const coming = session({
    complete: false,
    missing: ['CAM_C', 'CAM_R'],
    recordings: [recording('CAM_L'), recording('CAM_C')],
  });
  t.same(of(coming, []), ['coming-in', 'Coming in, 1 of 3 cameras', null]);
  t.same(
    summarizeSession(coming, []).cameras.map(({ state }) => state),
    ['here', 'unfinished', 'missing'],
  );
  t.same(of(whole, [panoramaJob({ state: 'running', progress: 0.427 })]), [
    'panorama-running',
    'Panorama 42 %',
    0.427,
  ]);
  t.same(
    of(whole, [
      panoramaJob(),
      proxyJob('CAM_L/1', { state: 'done', progress: 1 }),
      proxyJob('CAM_C/1', { state: 'running', progress: 0.5 }),
    ]),
    ['proxies', 'Proxies, 1 of 2 made', 0.75],
  );
  t.same(
    of(whole, [
      proxyJob('CAM_L/1', { state: 'done', progress: 1 }),
      proxyJob('CAM_L/1', { state: 'failed' }),
    ]),
    ['complete', 'Complete, no panorama', null],
    'a repeated proxy hides the failed one',
  );
  t.same(of(whole, [panoramaJob()]), ['waiting', 'Panorama waits for a worker', null]);
  t.same(of(whole, [panoramaJob({ state: 'failed' })]), ['panorama-failed', 'Panorama failed', null]);
  t.same(of(whole, [proxyJob('CAM_L/1', { state: 'failed' })]), ['proxy-failed', 'A proxy failed', null]);
  const made = (uncovered_sec: number, missing: object[] = []) =>
    ({ url: '/p', thumbnail_url: null, result: { uncovered_sec, missing } }) as unknown as NonNullable<
      typeof whole.panorama
    >;
  t.match(summarizeSession(session({ panorama: made(0.4) }), []), { words: 'Panorama ready', tone: 'calm' });
  const black = (to: string) => ({ camera_id: 'CAM_R', from: '2024-03-15T14:00:00.000000Z', to });
  t.match(
    summarizeSession(
      session({
        panorama: made(0, [black('2024-03-15T14:00:04.000000Z'), black('2024-03-15T14:00:08.000000Z')]),
      }),
      [],
    ),
    { state: 'done', words: 'Panorama: CAM_R missing for 12 s', tone: 'warning' },
  );
  t.match(summarizeSession(session({ panorama: made(0, [black('2024-03-15T14:00:00.500000Z')]) }), []), {
    tone: 'calm',
  });
  t.match(summarizeSession(session({ panorama: made(50.2) }), []), {
    state: 'done',
    words: 'Panorama: 50 s missing',
    tone: 'warning',
  });
  t.equal(percent(0.9999), '99 %', 'not done before it is');
  t.end();
});

t.test('the picture of a session is that of its center camera', (t: Test) => {
  const left = recording('CAM_L', { position: 'left', thumbnail_url: '/l.jpg' });
  const center = recording('CAM_C', { position: 'center', thumbnail_url: '/c.jpg' });
  t.equal(thumbnailOf(session({ recordings: [left, center], thumbnail_url: '/p.jpg' })), '/c.jpg');
  t.equal(thumbnailOf(session({ recordings: [left, { ...center, thumbnail_url: null }] })), '/l.jpg');
  t.equal(thumbnailOf(session({ recordings: [], thumbnail_url: '/p.jpg' })), '/p.jpg');
  t.equal(thumbnailOf(session()), null);
  t.end();
});
