import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  anglesOf,
  type ControlPoint,
  controlPointsOf,
  type HuginProject,
  huginProject,
} from '#domain/panorama/hugin-project.ts';
import { runJobProgram } from '#ports/program/job-program.ts';

/**
 * Hugin's command-line tools, each reading a project from a folder and writing the next. They throw `program_missing`, or
 * `job_failed` with their last lines.
 */

/**
 * Few pixels in common need more candidates than the defaults give, from every corner of them; the candidates of a seam
 * must agree on one homography.
 */
const CPFIND = [
  ...['--prealigned', '--fullscale', '--minmatches=4', '--ransacmode=hom', '--ransaciter=5000'],
  ...['--sieve1width=40', '--sieve1height=40', '--sieve1size=400'],
  ...['--sieve2width=10', '--sieve2height=10', '--sieve2size=10'],
];

/** Details that the pictures of a project have in common, as far as its angles say that they overlap. */
export async function findControlPoints(
  folder: string,
  project: HuginProject,
  signal: AbortSignal,
): Promise<ControlPoint[]> {
  const found = await run('cpfind', [...CPFIND, '-o', 'found.pto'], folder, project, 'found.pto', signal);
  return controlPointsOf(found);
}

/** The points without those that contradict the others. */
export async function cleanControlPoints(
  folder: string,
  project: HuginProject,
  signal: AbortSignal,
): Promise<ControlPoint[]> {
  const clean = await run('cpclean', ['-o', 'clean.pto'], folder, project, 'clean.pto', signal);
  return controlPointsOf(clean);
}

/** Yaw, pitch and roll of each picture, degrees, so that the points fit best; the reference stays as it is. */
export async function optimise(
  folder: string,
  project: HuginProject,
  signal: AbortSignal,
): Promise<{ yawDeg: number; pitchDeg: number; rollDeg: number }[]> {
  const result = await run('autooptimiser', ['-n', '-o', 'best.pto'], folder, project, 'best.pto', signal);
  return anglesOf(result);
}

async function run(
  tool: string,
  options: readonly string[],
  folder: string,
  project: HuginProject,
  output: string,
  signal: AbortSignal,
): Promise<string> {
  const input = `${tool}.in.pto`;
  await writeFile(join(folder, input), huginProject(project));
  const absolute = (name: string): string => join(folder, name);
  const args = options.map((option) => (option === output ? absolute(option) : option));
  await runJobProgram({ path: tool, args: [...args, absolute(input)], signal, harmless: '--help' });
  return readFile(absolute(output), 'utf8');
}
