import { once } from 'node:events';
import { mkdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { bundled } from './measuring/bundle.ts';
import { environment } from './measuring/environment.ts';
import { percentile, ratios, rounded, spread } from './measuring/figures.ts';
import { FILM_MBPS, FILM_SEC, FRAGMENTED, makeFilm } from './measuring/film.ts';
import { inTempFolder } from './measuring/folder.ts';
import { endedChildrenCpuSec, watchTrees } from './measuring/process-tree.ts';
import { type BenchProgram, hasEnded, pidOf, startForeign, startProgram } from './measuring/programs.ts';

export const about =
  'CPU and memory of three 35 Mbit/s recordings, against three plain ffmpeg that copy the same film';

const CAMERAS = 3;
const RECORD_SEC = 20;
const SAMPLE_MS = 500;
const PEER_GRACE_MS = 5000;

interface Recorded {
  readonly node_cpu_sec: number;
  readonly children_cpu_sec: number;
  readonly stop_to_manifest_ms: number;
  readonly dropped_frames: number | null;
  readonly gaps: number;
  readonly part: number;
  readonly frames: number;
  readonly seconds: number;
  readonly size_bytes: number;
}

/** Sums over three cameras, one round. CPU in seconds. */
interface Ours {
  readonly nodeCpu: number;
  readonly cameraCpu: number;
  readonly muxerCpu: number;
  readonly peakBytes: number;
  readonly recorded: readonly Recorded[];
}

export async function run({
  rounds = 3,
  log,
}: {
  rounds?: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  const needBytes = (FILM_SEC + (RECORD_SEC + 5) * CAMERAS) * ((FILM_MBPS * 1e6) / 8) * 1.2;
  return inTempFolder(needBytes, async (folder) => {
    log('encoding the film …');
    const film = join(folder, 'film.mp4');
    await makeFilm(film);
    const program = await bundled('recorder.ts', folder);
    const ours: Ours[] = [];
    const peers: Awaited<ReturnType<typeof runPeers>>[] = [];
    for (let round = 1; round <= rounds; round++) {
      log(`round ${round}: three recorders …`);
      ours.push(await inFolder(folder, (place) => runOurs(program, film, place)));
      log(`round ${round}: three ffmpeg …`);
      peers.push(await inFolder(folder, (place) => runPeers(film, place)));
    }
    return { environment: before, ...figures(ours, peers) };
  });
}

function figures(
  ours: readonly Ours[],
  peers: readonly { readonly cpu: number; readonly peakBytes: number; readonly sizeBytes: number }[],
): Record<string, unknown> {
  const recorded = ours.flatMap((round) => round.recorded);
  const total = ours.map((round) => round.nodeCpu + round.cameraCpu + round.muxerCpu);
  const nodeAndMuxer = ours.map((round) => round.nodeCpu + round.muxerCpu);
  const peerCpu = peers.map((peer) => peer.cpu);
  const mib = (values: readonly { peakBytes: number }[]): number[] =>
    values.map(({ peakBytes }) => peakBytes / 2 ** 20);
  const stops = recorded.map((one) => one.stop_to_manifest_ms);
  return {
    recordings: `${CAMERAS} at once, ${RECORD_SEC} s each`,
    measured_mbps: spread(recorded.map((one) => (one.size_bytes * 8) / one.seconds / 1e6)),
    peer_measured_mbps: spread(peers.map((peer) => (peer.sizeBytes * 8) / CAMERAS / RECORD_SEC / 1e6)),
    cpu_how:
      'user + system seconds of all three: Node by getrusage, its ended children by cutime + cstime of /proc/self/stat',
    cpu_sec: {
      total: spread(total),
      node: spread(ours.map((round) => round.nodeCpu)),
      muxer_ffmpeg: spread(ours.map((round) => round.muxerCpu)),
      camera_ffmpeg: spread(ours.map((round) => round.cameraCpu)),
      peer: spread(peerCpu),
    },
    cpu_ratio_total: ratios(total, peerCpu),
    cpu_ratio_node_and_muxer: ratios(nodeAndMuxer, peerCpu),
    memory_how: `greatest sum of PSS over all processes, looked at every ${SAMPLE_MS} ms`,
    peak_mib: { ours: spread(mib(ours)), peer: spread(mib(peers)) },
    memory_ratio: ratios(mib(ours), mib(peers)),
    stop_to_manifest:
      'from the agreed stop to the manifest: the lag of the camera behind the clock is part of it',
    stop_to_manifest_ms: { ...spread(stops), p90: rounded(percentile(stops, 90)) },
    dropped_frames: recorded.some((one) => one.dropped_frames === null)
      ? null
      : recorded.reduce((sum, one) => sum + (one.dropped_frames ?? 0), 0),
    gaps: recorded.reduce((sum, one) => sum + one.gaps, 0),
    further_parts: recorded.filter((one) => one.part > 1).length,
    frames: recorded.reduce((sum, one) => sum + one.frames, 0),
  };
}

/** Three recorder processes; what it takes to start them is not part of a recording and not counted. */
async function runOurs(program: string, film: string, folder: string): Promise<Ours> {
  const recorders: BenchProgram[] = [];
  try {
    for (let camera = 0; camera < CAMERAS; camera++) {
      const storage = join(folder, String(camera));
      await mkdir(storage);
      recorders.push(startProgram(program, [film, storage]));
    }
    await Promise.all(recorders.map((recorder) => recorder.answer(({ ready }) => ready)));
    const stopWatching = watchTrees(
      recorders.map(({ pid }) => pid),
      SAMPLE_MS,
    );
    for (const recorder of recorders) recorder.ask({ seconds: RECORD_SEC });
    const recorded = await Promise.all(
      recorders.map((recorder) => recorder.answer((line) => line.recorded as Recorded | undefined)),
    );
    const { totalBytes, lastSeen } = stopWatching();
    // What the samples saw of camera and muxer tells how the exact sum of both is to be divided.
    const seen = [...lastSeen.values()].filter(({ commandLine }) => commandLine.startsWith('ffmpeg '));
    const sumOf = (camera: boolean): number =>
      seen
        .filter(({ commandLine }) => commandLine.includes(' -re ') === camera)
        .reduce((sum, { cpuSec }) => sum + cpuSec, 0);
    const children = recorded.reduce((sum, one) => sum + one.children_cpu_sec, 0);
    const cameraShare = sumOf(true) / (sumOf(true) + sumOf(false));
    return {
      nodeCpu: recorded.reduce((sum, one) => sum + one.node_cpu_sec, 0),
      cameraCpu: children * cameraShare,
      muxerCpu: children * (1 - cameraShare),
      peakBytes: totalBytes,
      recorded,
    };
  } finally {
    await Promise.all(recorders.map((recorder) => recorder.stop()));
  }
}

async function runPeers(
  film: string,
  folder: string,
): Promise<{ cpu: number; peakBytes: number; sizeBytes: number }> {
  const outputs = Array.from({ length: CAMERAS }, (_, camera) => join(folder, `${camera}.mp4`));
  const before = endedChildrenCpuSec();
  const programs = outputs.map((output) =>
    startForeign(
      'ffmpeg',
      ['-v', 'error', '-re', '-stream_loop', '-1', '-i', film, '-c', 'copy', ...FRAGMENTED, output],
      'ignore',
    ),
  );
  const ended = programs.map((program) => once(program, 'close'));
  const stopWatching = watchTrees(programs.map(pidOf), SAMPLE_MS);
  try {
    await wait(RECORD_SEC * 1000);
    const early = programs.find(hasEnded);
    if (early) throw new Error(`a plain ffmpeg ended too early (${early.exitCode})`);
  } finally {
    for (const program of programs) program.kill('SIGTERM');
    const killer = setTimeout(() => {
      for (const program of programs) program.kill('SIGKILL');
    }, PEER_GRACE_MS);
    await Promise.all(ended);
    clearTimeout(killer);
  }
  const { totalBytes } = stopWatching();
  const sizes = await Promise.all(outputs.map((output) => stat(output)));
  return {
    cpu: endedChildrenCpuSec() - before,
    peakBytes: totalBytes,
    sizeBytes: sizes.reduce((sum, { size }) => sum + size, 0),
  };
}

async function inFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(parent, 'round');
  await mkdir(folder);
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}
