import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { playDiskFaults } from './faults/disk-faults.ts';
import { faultsOf, figuresOf, playKillRounds } from './faults/kill-rounds.ts';
import { runLab } from './machine/lab.ts';

/**
 * Whole camera nodes of separate processes record, and one process after the other is killed or stopped, at random. Afterwards every
 * file has to play to its last frame, and the gaps that the pictures show have to be those that the manifests note. Then the disk of a
 * node in a guest fills up, vanishes, becomes read-only, slow and flaky, while it records.
 */

const ROUNDS = 200;
const NODES = 2;

await runLab('faults', ROUNDS, async ({ rounds, seed, machine, log }) => {
  const disks = await playDiskFaults(machine, log);
  const folder = join(machine.folder, 'killed');
  mkdirSync(folder);
  const nodes = rounds > 0 ? await playKillRounds({ folder, rounds, nodes: NODES, seed, log }) : [];
  return {
    figures: {
      ...figuresOf(nodes),
      disk: disks.map(({ failures: _, ...outcome }) => outcome),
    },
    failures: [...faultsOf(nodes), ...disks.flatMap(({ failures }) => failures)],
  };
});
