import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeBalenaImage } from '../fixtures/balena-image.ts';
import { layRig, touchline } from '../fixtures/image-rig.ts';
import { boot } from './machine/guest.ts';
import { type LabResult, runLab } from './machine/lab.ts';

/**
 * Images that the image tool built are the disks of a machine, and the first program of the product's containers looks for its configuration there: each
 * service is told the camera of the disk that the machine runs from, whichever starts first.
 */

const JOB_MS = 120_000;
/** What each container has to be told: the camera of its disk, none once that says none, and the last one that was known where it cannot be read. */
const EXPECTED = [
  ['waits', 'node', 'CAM_R'],
  ['waits-as-root', 'root', 'CAM_R'],
  ['brings', 'node', 'CAM_R'],
  ['brings-too', 'node', 'CAM_R'],
  ['emptied', 'node', ''],
  ['unreadable', 'node', 'CAM_C'],
] as const;

await runLab('flashed', 1, async ({ machine }): Promise<LabResult> => {
  const { folder } = machine;
  const images = join(folder, 'images');
  const share = join(folder, 'share');
  for (const each of [images, share]) mkdirSync(each);
  const rig = layRig(join(folder, 'rig'));
  const built = await touchline([
    'image',
    'build',
    '--base',
    makeBalenaImage(folder),
    '--rig',
    rig,
    '--out',
    images,
  ]);
  if (built.code !== 0) throw new Error(`image build: ${built.err}`);
  const guest = await boot(machine, {
    name: 'flashed',
    job: 'flashed.sh',
    share,
    disks: ['CAM_L', 'CAM_R'].map((camera) => join(images, `home-ground-${camera}.img`)),
  });
  try {
    await guest.done(JOB_MS);
  } finally {
    await guest.cutPower();
  }
  const failures: string[] = [];
  for (const [container, user, camera] of EXPECTED) {
    const wanted = `CONTAINER ${container} ${user} ${camera}`;
    if (!guest.lines.includes(wanted))
      failures.push(
        `not told: ${wanted}; but ${guest.lines.filter((line) => line.includes(` ${container} `)).join(' ')}`,
      );
  }
  const told = EXPECTED.length - failures.length;
  // It has the hash of the PIN and the rig's key.
  if (!guest.lines.some((line) => line.startsWith('FILE -rw-r----- 1 root node ')))
    failures.push('what they are told is not for the group alone');
  return { figures: { containers_told: told, containers: EXPECTED.length }, failures };
});
