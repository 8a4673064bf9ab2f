import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Calibrated } from './calibrate.ts';
import type { MatchedExposure } from './match-exposure.ts';

/** What was found out about a session before its panorama is encoded. */
export interface Findings {
  readonly calibrated: Calibrated;
  readonly exposure: MatchedExposure | null;
}

const FILE = 'recipe.json';

/**
 * The findings that an earlier run of the same job left in its folder, made from the same `ingredients`; else those of `find`, in a
 * folder that is empty but for them. So segments that lie in the folder always belong to the findings. Those that are not `lasting` are
 * used once and not left for a later run.
 */
export async function findingsFor(
  folder: string,
  ingredients: unknown,
  { find, lasting }: { find: () => Promise<Findings>; lasting: (findings: Findings) => boolean },
): Promise<Findings> {
  const madeFrom = createHash('sha256').update(JSON.stringify(ingredients)).digest('hex');
  const path = join(folder, FILE);
  const left = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (left !== undefined) {
    const recipe = JSON.parse(left) as { madeFrom: string; findings: Findings };
    if (recipe.madeFrom === madeFrom) return recipe.findings;
  }
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) await rm(join(folder, name), { recursive: true, force: true });
  const findings = await find();
  if (!lasting(findings)) return findings;
  await writeFile(`${path}.new`, JSON.stringify({ madeFrom, findings }));
  await rename(`${path}.new`, path);
  return findings;
}
