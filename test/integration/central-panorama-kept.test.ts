import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { keptCalibrations } from '#central/panorama/kept-calibrations.ts';
import { type Findings, findingsFor } from '#central/panorama/recipe.ts';
import { centralLayout } from '#contracts/layout.ts';
import { putText } from '#ports/blobs/blobs.ts';
import { memoryBlobs } from '#ports/blobs/memory-blobs.ts';

t.test('a calibration whose file is broken is told and left out; the others are there', async (t) => {
  const store = memoryBlobs(1e6, t.testdir({}));
  const warnings: string[] = [];
  const kept = keptCalibrations(store, (message) => warnings.push(message));
  const camera = { width: 1280, height: 720, hfov_deg: 60, yaw_deg: 0, pitch_deg: 0, roll_deg: 0 };
  const good = await kept.keep({
    v: 1,
    made_at: '2024-03-15T14:00:00.000000Z',
    rig: 'demo',
    session_uid: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
    cameras: [
      { camera_id: 'CAM_L', ...camera },
      { camera_id: 'CAM_C', ...camera },
    ],
    control_points: 50,
    rms_px: 1,
    max_px: 2,
    seams: [{ left: 'CAM_L', right: 'CAM_C', control_points: 50, rms_px: 1, max_px: 2, overlap_deg: 12 }],
  });
  await putText(store, centralLayout.calibration('20240316-120000-abcdef'), '{"half": ');
  t.same(await kept.list(), [good]);
  t.match(warnings, [/20240316-120000-abcdef.json is left out/]);
});

t.test('findings are kept for the next run, unless what failed may work tomorrow', async (t) => {
  const folder = join(t.testdir({}), 'job');
  const findings = (code: string): Findings =>
    ({
      calibrated: { calibration: null, origin: null, reason: { code } },
      exposure: null,
    }) as unknown as Findings;
  const lasting = ({ calibrated: { reason } }: Findings): boolean => reason?.code !== 'program_missing';
  let asked = 0;
  const find = (code: string) => async (): Promise<Findings> => {
    asked++;
    return findings(code);
  };
  await findingsFor(folder, 'films', { find: find('program_missing'), lasting });
  await findingsFor(folder, 'films', { find: find('too_few_points'), lasting });
  t.equal(asked, 2, 'a missing program is looked for again');
  writeFileSync(join(folder, 'segment-0-30.mp4'), 'kept');
  t.same(await findingsFor(folder, 'films', { find: find('never'), lasting }), findings('too_few_points'));
  t.equal(asked, 2, 'what lasts is not looked for again');
  t.ok(existsSync(join(folder, 'segment-0-30.mp4')), 'nor thrown away with what was made of it');
  await findingsFor(folder, 'other films', { find: find('too_few_points'), lasting });
  t.equal(asked, 3);
  t.notOk(existsSync(join(folder, 'segment-0-30.mp4')), 'of other films nothing is kept');
});
