import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bundled } from './measuring/bundle.ts';
import { environment } from './measuring/environment.ts';
import { percentile, rounded, spread } from './measuring/figures.ts';
import { FILM_MBPS, makeFilm } from './measuring/film.ts';
import { inTempFolder } from './measuring/folder.ts';
import { readTree } from './measuring/process-tree.ts';
import { type BenchProgram, startProgram } from './measuring/programs.ts';

export const about =
  'three 35 Mbit/s recordings for twenty minutes (--rounds MINUTES): memory, unwritten pages, lost frames';

const CAMERAS = 3;
const MINUTES = 20;
const SAMPLE_MS = 5000;
/** What a start allocates has settled by then; growth is counted from here. */
const SETTLED_SHARE = 0.25;

interface Sample {
  readonly atSec: number;
  /** Of each recorder: Node and the programs it runs. */
  readonly treeMib: readonly number[];
  readonly nodeMib: readonly number[];
  /** Written by programs and not yet on the disk, in the whole machine. */
  readonly unwrittenMib: number;
}

interface Recorded {
  readonly dropped_frames: number | null;
  readonly gaps: number;
  readonly part: number;
  readonly frames: number;
  readonly seconds: number;
  readonly size_bytes: number;
  readonly stop_to_manifest_ms: number;
}

export async function run({
  rounds: minutes = MINUTES,
  log,
}: {
  rounds?: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  const seconds = minutes * 60;
  const needBytes = CAMERAS * (seconds + 30) * ((FILM_MBPS * 1e6) / 8) * 1.1;
  return inTempFolder(needBytes, async (folder) => {
    log('encoding the film …');
    const film = join(folder, 'film.mp4');
    await makeFilm(film);
    const program = await bundled('recorder.ts', folder);
    const recorders: BenchProgram[] = [];
    const samples: Sample[] = [];
    try {
      for (let camera = 0; camera < CAMERAS; camera++) {
        const storage = join(folder, String(camera));
        await mkdir(storage);
        recorders.push(startProgram(program, [film, storage]));
      }
      await Promise.all(recorders.map((recorder) => recorder.answer(({ ready }) => ready)));
      const sinceMs = performance.now();
      const timer = setInterval(() => {
        const sample = sampleOf(recorders, (performance.now() - sinceMs) / 1000);
        samples.push(sample);
        if (samples.length % (60_000 / SAMPLE_MS) === 0)
          log(`minute ${Math.round(sample.atSec / 60)}: ${total(sample.treeMib).toFixed(0)} MiB in all`);
      }, SAMPLE_MS);
      try {
        for (const recorder of recorders) recorder.ask({ seconds });
        const recorded = await Promise.all(
          recorders.map((recorder) => recorder.answer((line) => line.recorded as Recorded | undefined)),
        );
        return { environment: before, minutes, ...figures(samples, recorded, seconds) };
      } finally {
        clearInterval(timer);
      }
    } finally {
      await Promise.all(recorders.map((recorder) => recorder.stop()));
    }
  });
}

function sampleOf(recorders: readonly BenchProgram[], atSec: number): Sample {
  const trees = recorders.map(({ pid }) => readTree(pid));
  return {
    atSec,
    treeMib: trees.map((tree) => total(tree.map(({ pssBytes }) => pssBytes / 2 ** 20))),
    nodeMib: recorders.map(
      ({ pid }, n) => (trees[n]?.find((each) => each.pid === pid)?.pssBytes ?? 0) / 2 ** 20,
    ),
    unwrittenMib: unwrittenMib(),
  };
}

function figures(
  samples: readonly Sample[],
  recorded: readonly Recorded[],
  seconds: number,
): Record<string, unknown> {
  const settled = samples.filter(({ atSec }) => atSec >= seconds * SETTLED_SHARE && atSec <= seconds);
  if (settled.length < 4) throw new Error(`${samples.length} samples are too few; record longer`);
  const quarter = Math.max(2, Math.floor(settled.length / 4));
  const growth = (of: (sample: Sample) => readonly number[]): number[] =>
    Array.from({ length: CAMERAS }, (_, camera) => {
      const values = settled.map((sample) => of(sample)[camera] ?? 0);
      return rounded(percentile(values.slice(-quarter), 50) - percentile(values.slice(0, quarter), 50));
    });
  return {
    recordings: `${CAMERAS} at once, ${seconds} s each`,
    measured_mbps: spread(recorded.map((one) => (one.size_bytes * 8) / one.seconds / 1e6)),
    memory_how: `PSS every ${SAMPLE_MS / 1000} s; growth: median of the last quarter minus that of the first, after ${seconds * SETTLED_SHARE} s`,
    node_mib: spread(settled.flatMap(({ nodeMib }) => nodeMib)),
    tree_mib: spread(settled.flatMap(({ treeMib }) => treeMib)),
    node_growth_mib: growth(({ nodeMib }) => nodeMib),
    tree_growth_mib: growth(({ treeMib }) => treeMib),
    unwritten_pages_mib: spread(settled.map((sample) => sample.unwrittenMib)),
    frames: total(recorded.map((one) => one.frames)),
    dropped_frames: total(recorded.map((one) => one.dropped_frames ?? Number.NaN)),
    gaps: total(recorded.map((one) => one.gaps)),
    further_parts: recorded.filter((one) => one.part > 1).length,
    stop_to_manifest_ms: spread(recorded.map((one) => one.stop_to_manifest_ms)),
  };
}

/** `Dirty` and `Writeback` of /proc/meminfo (proc(5)). */
function unwrittenMib(): number {
  const text = readFileSync('/proc/meminfo', 'utf8');
  const kib = (name: string): number => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]);
  return (kib('Dirty') + kib('Writeback')) / 1024;
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
