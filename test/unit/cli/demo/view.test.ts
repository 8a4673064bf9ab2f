import t, { type Test } from 'tap';
import type { CentralSession } from '#contracts/http-central.ts';
import type { RigView } from '#contracts/http-node.ts';
import { outcome } from '../../../../cli/demo/panorama.ts';
import { makePlace } from '../../../../cli/demo/place.ts';
import { addresses, renderChanges, renderLive, type Snapshot } from '../../../../cli/demo/view.ts';

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'];

/** Everything as long as it gets: three hours, a full disk of files, a long reason. */
function snapshot(session: object): Snapshot {
  const status = {
    recorder: {
      state: 'finalizing',
      recording: {
        duration_sec: 10_800,
        frames: 324_000,
        dropped_frames: 1234,
        fps: 29.97,
        size_bytes: 5.4e9,
      },
      disk: { minutes_left: 99.4 },
    },
    sync: { clock: { offset_ms: -0.123, bound_ms: 0.5 } },
    offload: [{ state: 'uploading', sent_bytes: 99, size_bytes: 100 }],
  };
  return {
    cameras: CAMERAS,
    view: {
      nodes: CAMERAS.map((camera_id) => ({ camera_id, available: true, status })),
      disagreements: [
        'CAM_L and CAM_C follow different masters, and that is told at great length here',
        'b',
        'c',
      ],
    } as unknown as RigView,
    health: { status: 'degraded', workers: 1, storage_free_gb: 12_345 } as Snapshot['health'],
    sessions: [session as CentralSession],
    starting: new Set(),
  };
}

const base = {
  session_uid: '01J',
  session_id: 'Home_of_a_club_with_a_long_name_vs_Rivals_of_theirs_20261121_044950',
  recordings: [{}, {}, {}],
  jobs: [],
  panorama: null,
};
const job = { kind: 'panorama', created_at: '2026', progress: 0.42, remaining_sec: 12.3, error: null };

async function placeOf(t: Test) {
  const place = await makePlace({ out: t.testdir({}), sources: new Map() });
  t.teardown(place.leave);
  return place;
}

t.test('nothing in the live view is wider than a terminal of 80 columns', async (t: Test) => {
  const place = await placeOf(t);
  const reason = 'the cameras have too few details in common: 3 where 12 are needed between CAM_L and CAM_C';
  const failed = { ...job, state: 'failed', error: { code: 'internal', message: reason } };
  for (const session of [
    base,
    { ...base, jobs: [{ ...job, state: 'running' }] },
    { ...base, jobs: [failed] },
  ]) {
    const lines = renderLive(snapshot(session), place, 80);
    t.same(
      lines.filter((line) => line.length >= 80),
      [],
    );
    t.ok(lines.length <= 12, `${lines.length} lines: the view and all around it fit into 24`);
  }
  const [head, left] = renderLive(snapshot(base), place, 80);
  t.equal(head?.indexOf('offload'), left?.indexOf('sending 99 %'), 'columns stand below their names');
  t.match(left, /^CAM_L {2}finalizing 180:00 324000 1234 30\.0 5400\.0 99 min -0\.12±0\.50 sending 99 %$/);
});

t.test('a panorama is shown with its file and how well it fits, or why it does not', async (t: Test) => {
  const place = await placeOf(t);
  const result = {
    file: `${place.directory}/central/sessions/a/stitched/panorama.mp4`,
    width: 3000,
    height: 700,
  };
  const calibration = { rms_px: 0.423, control_points: 131 };
  const good = { ...base, panorama: { result: { ...result, calibration, calibration_reason: null } } };
  t.same(renderLive(snapshot(good), place, 80).slice(-2), [
    'panorama 3000x700, calibrated (0.42 px rms, 131 points)',
    '         central/sessions/a/stitched/panorama.mp4',
  ]);
  const calibration_reason = { code: 'too_few_control_points', message: 'only 3 points', usable: [] };
  const poor = { ...base, panorama: { result: { ...result, calibration: null, calibration_reason } } };
  t.match(
    renderLive(snapshot(poor), place, 80).join('\n'),
    'panorama 3000x700, not calibrated, side by side: only 3 points',
  );
  t.same(outcome(good as unknown as CentralSession, '/d').slice(1), [
    '  panorama 3000x700, calibrated (0.42 px rms, 131 points)',
    `  ${result.file}`,
  ]);
  t.match(outcome(base as unknown as CentralSession, '/d'), [/3 recordings on central, no panorama$/]);
});

t.test('the pages are named, one a line', async (t: Test) => {
  const place = await placeOf(t);
  t.match(addresses(place), [
    /^Dashboard \(any node\) {2}http:\/\/127\.0\.0\.1:\d+$/,
    /^Console \(central\) {5}http:\/\/127\.0\.0\.1:\d+$/,
  ]);
});

t.test('what only moves on is no change worth a line', async (t: Test) => {
  const place = await placeOf(t);
  const at = (progress: number) =>
    renderChanges(snapshot({ ...base, jobs: [{ ...job, state: 'running', progress }] }), place).get(
      'central',
    );
  t.equal(at(0.3), at(0.6));
  t.match(at(0.3), /panorama running$/);
});

t.test('what has not come up yet is starting, and silent only after that', async (t: Test) => {
  const place = await placeOf(t);
  const none = { ...snapshot(base), view: undefined, health: undefined, sessions: [] };
  const early = renderLive({ ...none, starting: new Set(['CAM_L', 'central']) }, place, 80);
  t.match(early, [
    /^camera/,
    /^CAM_L {2}starting/,
    /^CAM_C {2}not seen/,
    /^CAM_R {2}not seen/,
    '',
    /^central {2}starting$/,
  ]);
  t.match(renderLive(none, place, 80).at(-1), /^central {2}no answer$/);
});

t.test('a panorama that the end of the demo stops is told with the way to go on', (t: Test) => {
  const told = (state: string) =>
    outcome({ ...base, jobs: [{ ...job, state }] } as unknown as CentralSession, '/tmp/d');
  t.match(told('running'), [/panorama stopped at 42 %; it goes on with$/, '  ./touchline demo --out /tmp/d']);
  t.match(told('queued'), [/panorama not begun; it goes on with$/, '  ./touchline demo --out /tmp/d']);
  t.match(told('failed'), [/panorama failed$/]);
  t.end();
});
