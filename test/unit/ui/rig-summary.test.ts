import t from 'tap';
import type { RigView } from '#contracts/http-node.ts';
import type { RecorderState } from '#contracts/states.ts';
import { summarize } from '../../../ui/dashboard/rig-summary.ts';
import { recorderState } from '../../fixtures/recorder-state.ts';
import { SAMPLE_AT as AT, node, syncState } from './rig-samples.ts';

type RigNode = RigView['nodes'][number];

const UID = '01ARZ3NDEKTSV4RRFFQ69G5FAV';

function view(nodes: RigNode[], change: Partial<RigView> = {}): RigView {
  return { rig: 'demo', session: null, nodes, disagreements: [], ...change };
}

const session = (state: 'preparing' | 'recording' | 'stopped'): RigView['session'] => ({
  v: 1,
  session_uid: UID,
  session_id: 'Final',
  revision: 1,
  state,
  conductor: 'CAM_C',
  start_at: AT,
  stop_at: null,
  max_duration_sec: 60,
  cameras: [],
  updated_at: AT,
});

const recording = (duration_sec: number, sinceStartSec = duration_sec): RecorderState =>
  recorderState({
    state: 'recording',
    session_uid: UID,
    recording: {
      session_uid: UID,
      session_id: 'Final',
      part: 1,
      file: 'recordings/Final',
      start_at: new Date(Date.parse(AT) - sinceStartSec * 1000).toISOString(),
      duration_sec,
      frames: 30,
      dropped_frames: 0,
      size_bytes: 1,
      fps: 30,
      bitrate_mbps: 4,
    },
  });

t.test('before the rig has spoken nothing is claimed', (t) => {
  t.match(summarize(undefined), {
    phase: 'starting',
    tone: 'unknown',
    action: null,
    lasts: null,
    problems: [],
  });
  t.end();
});

t.test('cameras that nobody has seen', (t) => {
  const summary = summarize(
    view([
      { camera_id: 'CAM_L', position: 'left', available: false, status: null },
      node('CAM_C', {}, false),
    ]),
  );
  t.match(summary, { phase: 'empty', tone: 'fault', action: null });
  t.same(
    summary.problems.map(({ camera, text }) => `${camera} ${text}`),
    ['CAM_L has not been seen', 'CAM_C is not reachable any more'],
  );
  t.end();
});

t.test('a rig at rest', (t) => {
  const tight = node('CAM_R', {
    recorder: recorderState({ disk: { present: true, free_bytes: 1, total_bytes: 2, minutes_left: 90 } }),
  });
  t.match(
    summarize(view([node('CAM_L'), node('CAM_C'), tight])),
    {
      phase: 'ready',
      tone: 'calm',
      action: 'start',
      detail: 'All 3 cameras',
      lasts: { minutes: 90, camera: 'CAM_R', ends: 'disk' },
    },
    'all can record; the fullest disk counts',
  );
  const blocked = node('CAM_R', {
    recorder: recorderState({ gates: [{ gate: 'disk', level: 'hard', reason: 'full' }] }),
    warnings: [{ service: 'recorder', code: 'gate_disk', message: 'full' }],
  });
  const some = summarize(view([node('CAM_L'), blocked]));
  t.match(some, { phase: 'ready', tone: 'warning', detail: '1 of 2 cameras can record', action: 'start' });
  t.match(some.problems, [{ tone: 'fault', camera: 'CAM_R', text: 'full' }]);
  t.match(summarize(view([blocked])), { phase: 'not-ready', tone: 'fault', action: 'start' });
  t.match(
    summarize(
      view([
        node('CAM_L', {
          recorder: recorderState({
            disk: { present: false, free_bytes: null, total_bytes: null, minutes_left: null },
          }),
        }),
      ]),
    ).lasts,
    null,
    'unknown space is unknown',
  );
  t.end();
});

t.test('a rig that records', (t) => {
  const all = summarize(
    view([node('CAM_L', { recorder: recording(12) }), node('CAM_C', { recorder: recording(12.4) })], {
      session: session('recording'),
    }),
  );
  t.match(all, {
    phase: 'recording',
    tone: 'recording',
    action: 'stop',
    session: 'Final',
    recordedSec: 12.4,
    detail: 'All 2 cameras',
  });
  const one = summarize(
    view([node('CAM_L', { recorder: recording(12) }), node('CAM_C', {}, false)], {
      session: session('recording'),
      disagreements: ['the rig records Final, but CAM_C is idle'],
    }),
  );
  t.match(one, {
    phase: 'recording',
    tone: 'fault',
    action: 'stop',
    detail: '1 of 2 cameras: CAM_C missing',
  });
  t.match(
    one.problems[0],
    { tone: 'fault', camera: null, text: /disagree.*CAM_C is idle/ },
    'a disagreement comes first',
  );
  t.match(
    summarize(view([node('CAM_L', { recorder: recording(3) })])),
    { phase: 'recording', action: 'stop' },
    'also one that the record knows nothing of can be stopped',
  );
  t.end();
});

t.test('a camera that is there and does not record while others do is a fault', (t) => {
  const of = (state: RecorderState['state'], others = 12, change: Partial<RigView> = {}) =>
    summarize(
      view(
        [
          node('CAM_L', { recorder: recording(others) }),
          node('CAM_C', { recorder: recorderState({ state }) }),
        ],
        {
          session: session('recording'),
          ...change,
        },
      ),
    );
  t.match(of('idle'), {
    detail: '1 of 2 cameras: CAM_C missing',
    problems: [{ tone: 'fault', camera: 'CAM_C', text: 'is not recording', remedy: /.+/ }],
  });
  t.match(of('idle', 12, { session: null }).problems, [{ text: 'is not recording' }]);
  t.match(of('preparing').problems, [{ tone: 'fault', text: 'is not recording: starting again' }]);
  t.match(of('preparing', 0.5).problems, [{ text: 'is not recording yet: starting' }], 'at a start');
  t.match(
    summarize(
      view([
        node('CAM_L', { recorder: recording(15.5, 0.5) }),
        node('CAM_C', { recorder: recorderState({ state: 'preparing' }) }),
      ]),
    ).problems,
    [{ text: 'is not recording yet: starting' }],
    'what was kept before the start does not count',
  );
  t.same(of('idle', 12, { session: session('stopped') }).problems, [], 'one ends before the other');
  t.same(summarize(view([node('CAM_L', { recorder: recording(1) })])).problems, []);
  t.match(
    summarize(view([node('CAM_L', { recorder: recording(12) }), node('CAM_C', { recorder: null })])).problems,
    [{ text: 'is not recording' }],
    'its recorder is silent',
  );
  t.end();
});

t.test('a camera that failed starts again by itself', (t) => {
  const failed = node('CAM_L', {
    recorder: { ...recording(3), faults: [{ code: 'camera_failed', message: 'no frame for 1 s' }] },
    warnings: [{ service: 'recorder', code: 'camera_failed', message: 'no frame for 1 s' }],
  });
  t.match(summarize(view([failed])).problems, [
    { tone: 'fault', text: 'no frame for 1 s', remedy: 'It starts again by itself.' },
  ]);
  t.end();
});

t.test('a rig of one camera', (t) => {
  t.match(summarize(view([node('CAM_L')])), { phase: 'ready', detail: 'The one camera' });
  t.match(summarize(view([node('CAM_L', { recorder: recording(3) })])), { detail: 'The one camera' });
  t.match(summarize(view([node('CAM_L', {}, false)])), { detail: 'The camera does not answer' });
  t.end();
});

t.test('between the states', (t) => {
  t.match(summarize(view([node('CAM_L', { recorder: recorderState({ state: 'preparing' }) })])), {
    phase: 'preparing',
    action: null,
  });
  t.match(
    summarize(view([node('CAM_L')], { session: session('recording') })),
    { phase: 'preparing', action: 'stop' },
    'the record says it records and no camera does yet: it can be stopped',
  );
  t.match(
    summarize(
      view([node('CAM_L', { recorder: { ...recording(5), state: 'finalizing' } })], {
        session: session('stopped'),
      }),
    ),
    { phase: 'finalizing', action: null },
  );
  t.end();
});

t.test('a clock that is off is said', (t) => {
  const sync = syncState({}, { source: 'same_kernel', offset_ms: -37.21 });
  t.match(summarize(view([node('CAM_L', { sync })])), {
    tone: 'warning',
    problems: [{ tone: 'warning', camera: 'CAM_L', text: 'its clock is off by -37.2 ms' }],
  });
  t.end();
});

t.test('what sync-agent warns of comes with what it means', (t) => {
  const warnings = [
    { service: 'sync-agent', code: 'clock_stepped', message: 'the clock was set by 2.0 s' },
  ] as const;
  t.match(summarize(view([node('CAM_L', { warnings: [...warnings] })])).problems, [
    { tone: 'warning', camera: 'CAM_L', text: 'the clock was set by 2.0 s', remedy: /unharmed/ },
  ]);
  t.end();
});

t.test('a clock that nobody has set is said', (t) => {
  const chrony = { state: 'running', reference: null, stratum: 0, reason: null } as const;
  const nothing = { offset_ms: null, bound_ms: null, frequency_ppm: null, last_update: null };
  const sync = syncState({
    role: 'master',
    chrony: { ...chrony, ...nothing },
    local_time: '1970-01-01T00:01:00.000000Z',
  });
  t.match(summarize(view([node('CAM_C', { sync })])).problems, [
    { tone: 'warning', camera: 'CAM_C', text: 'does not know what time it is', remedy: /phone/ },
  ]);
  t.end();
});

t.test('a rig that is armed is ready, and says so', (t) => {
  const armed = node('CAM_L', { recorder: recorderState({ state: 'armed', armed_until: AT }) });
  t.match(summarize(view([armed])), { phase: 'ready', action: 'start', detail: 'The one camera, armed' });
  t.match(summarize(view([armed, node('CAM_C')])), { detail: 'All 2 cameras, 1 armed' });
  t.end();
});
