import t from 'tap';
import { UpdaterState } from '#contracts/updates.ts';
import { pastUpdates, pastWords, rigUpdate } from '../../../ui/dashboard/update-words.ts';
import { node, SAMPLE_AT } from './rig-samples.ts';

const updater = (change: Partial<UpdaterState> = {}): UpdaterState =>
  UpdaterState.parse({
    ...{
      v: 1,
      online: true,
      run_id: 'run',
      at: SAMPLE_AT,
      channel: 'balena',
      phase: 'idle',
      current: '1.0.0',
    },
    ...{
      known_as: null,
      previous: null,
      version: null,
      progress: null,
      reason: null,
      owner: null,
      lock: null,
    },
    ...{ checked_at: null, avoided: [], history: [], warnings: [] },
    ...change,
  });
const rig = (left: Partial<UpdaterState>, right: Partial<UpdaterState> = left) => [
  node('CAM_L', { updater: updater(left) }),
  node('CAM_R', { updater: updater(right) }),
];
const waits = { phase: 'waiting', version: '1.2.3', reason: 'recording' } as const;

t.test('updates of the rig in words', async (t) => {
  t.equal(rigUpdate([node('CAM_L')]), undefined, 'without an updater');
  t.equal(rigUpdate(rig({})), undefined, 'nothing to say');
  const lock = { owner: 'recorder', reason: 'recording' };
  t.match(rigUpdate(rig({ ...waits, lock })), {
    title: 'Update 1.2.3 waits: recording',
    cameras: ['CAM_L', 'CAM_R'],
    locked: true,
    reasons: [],
  });
  t.match(rigUpdate(rig(waits, { ...waits, reason: 'CAM_L does not have it' })), {
    title: 'Update 1.2.3 waits',
    locked: false,
    reasons: ['CAM_L: recording', 'CAM_R: CAM_L does not have it'],
  });
  t.match(rigUpdate(rig({ phase: 'downloading', version: '2' }, {})), { title: /downloaded/, cameras: [] });
  t.match(rigUpdate(rig({ phase: 'applying', version: '2' }, {})), { title: /CAM_L.*leave the power on/ });
  t.equal(rigUpdate([node('CAM_L', { updater: updater(waits) }, false)]), undefined, 'a camera that is gone');
});

t.test('what was', async (t) => {
  const entry = {
    version: '1.1.0',
    from: '1.0.0',
    at: SAMPLE_AT,
    source: 'rest',
    reason: 'recorder does not run',
  };
  const later = { ...entry, at: '2024-03-16T14:00:00.000000Z', result: 'committed' } as const;
  const past = pastUpdates(rig({ history: [{ ...entry, result: 'rolled_back' }] }, { history: [later] }));
  t.same(
    past.map(({ camera }) => camera),
    ['CAM_R', 'CAM_L'],
  );
  t.match(
    past.map(pastWords)[1],
    /CAM_L: 1\.1\.0 was gone back from \(before: 1\.0\.0; by: rest\)\. recorder does not run/,
  );
});
