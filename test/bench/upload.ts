import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ulid } from 'ulid';
import { centralLayout } from '#contracts/layout.ts';
import type { TouchlineManifest } from '#contracts/manifest.ts';
import { centralRoutes } from '#contracts/routes.ts';
import { toWireTime } from '#contracts/time.ts';
import { localDisk } from '#ports/disk/local-disk.ts';
import { upload } from '#services/housekeeper/upload.ts';
import { environment } from './measuring/environment.ts';
import { ratios, spread } from './measuring/figures.ts';
import { FILM_FPS, FILM_MBPS, FILM_SEC, makeFilm, makeLongFilm } from './measuring/film.ts';
import { inTempFolder } from './measuring/folder.ts';
import { type BenchProgram, runForeign, startProgram } from './measuring/programs.ts';

export const about =
  'Bringing a recording of 1 GiB home over loopback, against curl to a server that only writes it down';

const RECORDING_BYTES = 2 ** 30;
const SERVER_KEEPS_FREE_GB = 1;

interface Recording {
  readonly folder: string;
  readonly name: string;
  readonly path: string;
  readonly sizeBytes: number;
  readonly sha256: string;
  readonly seconds: number;
}

export async function run({
  rounds = 3,
  log,
}: {
  rounds?: number;
  log: (line: string) => void;
}): Promise<Record<string, unknown>> {
  const before = environment();
  // The recording, one copy of it at a time, the film, and the server's database.
  const needBytes = 2.5 * RECORDING_BYTES + SERVER_KEEPS_FREE_GB * 1e9;
  return inTempFolder(needBytes, async (folder) => {
    log('making a recording of 1 GiB …');
    const recording = await makeRecording(folder);
    const root = join(folder, 'central');
    await mkdir(root);
    const received = join(folder, 'received');
    const plain = startProgram('test/bench/programs/plain-receiver.ts', [received]);
    const central = startCentral(root);
    try {
      const plainUrl = `http://127.0.0.1:${await plain.answer(({ port }) => port as number | undefined)}/`;
      const centralUrl = `http://127.0.0.1:${await central.answer((line) => line.http_port as number | undefined)}`;
      const ours: number[] = [];
      const curlPlain: number[] = [];
      const curlCentral: number[] = [];
      for (let round = 1; round <= rounds; round++) {
        log(`round ${round}: Touchline to Touchline …`);
        ours.push(await megabytesPerSec(recording, root, (id) => uploadOurs(recording, centralUrl, id)));
        log(`round ${round}: curl to a plain server …`);
        curlPlain.push(
          await megabytesPerSec(recording, root, async () => {
            await runForeign('curl', ['-fsS', '-F', fileField(recording), plainUrl]);
          }),
        );
        if ((await stat(received)).size < recording.sizeBytes)
          throw new Error('the plain server did not get all');
        await rm(received);
        log(`round ${round}: curl to Touchline …`);
        curlCentral.push(
          await megabytesPerSec(recording, root, (id) => curl(recording, centralUrl, id, folder)),
        );
      }
      return {
        environment: before,
        recording: `${recording.sizeBytes} bytes, fragmented MP4, ${FILM_MBPS} Mbit/s`,
        megabytes_per_sec: {
          ours: spread(ours),
          curl_to_plain_server: spread(curlPlain),
          curl_to_ours: spread(curlCentral),
        },
        ratio_to_curl_to_plain_server: ratios(ours, curlPlain),
        ratio_to_curl_to_ours: ratios(ours, curlCentral),
        ours: 'upload() of the housekeeper to the central server: hashed, opened with ffprobe, synced, in the database',
        peer: 'curl -F to a bare Node http server that writes the body to a file: no hash, no sync',
      };
    } finally {
      await Promise.all([plain.stop(), central.stop()]);
    }
  });
}

function startCentral(root: string): BenchProgram {
  const values = [
    'version=1',
    'server.host=127.0.0.1',
    'server.port=0',
    'broker.host=127.0.0.1',
    'broker.port=0',
    `storage.root=${root}`,
    `storage.min_free_space_gb=${SERVER_KEEPS_FREE_GB}`,
    'processing.panorama_on_complete=false',
  ];
  const args = ['--until-stdin-closes', ...values.flatMap((value) => ['--set', value])];
  return startProgram('central/server/main.ts', args, 'stderr');
}

/** One transfer, timed; each is a session of its own, and what the server made of it goes away afterwards. */
async function megabytesPerSec(
  recording: Recording,
  root: string,
  send: (sessionId: string) => Promise<void>,
): Promise<number> {
  const sessionId = `BENCH_${ulid()}`;
  const before = performance.now();
  await send(sessionId);
  const sec = (performance.now() - before) / 1000;
  await rm(join(root, centralLayout.sessions, sessionId), { recursive: true, force: true });
  return recording.sizeBytes / 1e6 / sec;
}

async function uploadOurs(recording: Recording, serverUrl: string, sessionId: string): Promise<void> {
  const manifest = manifestOf(recording, sessionId);
  const result = await upload({
    serverUrl,
    manifest,
    timeline: undefined,
    marks: undefined,
    content: localDisk(recording.folder).read(recording.name),
    bytesPerSecond: undefined,
    onSent: () => undefined,
    signal: new AbortController().signal,
  });
  if (!result.checksum_verified || result.already_there) throw new Error(JSON.stringify(result));
}

async function curl(
  recording: Recording,
  serverUrl: string,
  sessionId: string,
  folder: string,
): Promise<void> {
  const manifest = manifestOf(recording, sessionId);
  const manifestPath = join(folder, 'manifest.json');
  await writeFile(manifestPath, JSON.stringify(manifest));
  const fields = [
    `session_id=${sessionId}`,
    `camera_id=${manifest.recording.camera_id}`,
    `checksum=${recording.sha256}`,
    `manifest=<${manifestPath}`,
    fileField(recording),
  ];
  const answer = JSON.parse(
    await runForeign('curl', [
      '-fsS',
      ...fields.flatMap((field) => ['-F', field]),
      `${serverUrl}${centralRoutes.upload}`,
    ]),
  ) as { success?: boolean; already_there?: boolean };
  if (!answer.success || answer.already_there) throw new Error(JSON.stringify(answer));
}

function fileField({ path }: Recording): string {
  return `file=@${path};type=video/mp4`;
}

async function makeRecording(folder: string): Promise<Recording> {
  const film = join(folder, 'film.mp4');
  await makeFilm(film);
  const name = 'recording.mp4';
  const path = join(folder, name);
  const { size: filmBytes } = await stat(film);
  await makeLongFilm(film, path, (RECORDING_BYTES / filmBytes) * FILM_SEC);
  const { size: sizeBytes } = await stat(path);
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk as Buffer);
  const probed = await runForeign('ffprobe', [
    ...['-v', 'error', '-select_streams', 'v', '-of', 'csv=p=0', '-show_entries', 'format=duration', path],
  ]);
  return { folder, name, path, sizeBytes, sha256: hash.digest('hex'), seconds: Number(probed) };
}

function manifestOf({ sizeBytes, sha256, seconds }: Recording, sessionId: string): TouchlineManifest {
  const startUs = Date.parse('2024-03-15T14:00:00Z') * 1000;
  const start = toWireTime(startUs);
  return {
    version: '1.0',
    recording: { id: `${sessionId}_CAM_C`, session_id: sessionId, camera_id: 'CAM_C', position: 'center' },
    file: { name: `${sessionId}_CAM_C.mp4`, size_bytes: sizeBytes, container: 'mp4', codec: 'h264' },
    video: {
      resolution: { width: 1920, height: 1080 },
      fps: FILM_FPS,
      bitrate_mbps: FILM_MBPS,
      duration_sec: seconds,
    },
    timing: { start_time: start, end_time: toWireTime(startUs + seconds * 1e6), ntp_synced: false },
    checksum: { algorithm: 'sha256', value: sha256 },
    touchline: {
      session_uid: sessionId.slice(-26),
      part: 1,
      final: true,
      recovered: false,
      offloaded: false,
      offloaded_at: null,
      frames: Math.round(seconds * FILM_FPS),
      first_frame: { master: null, local: start, mono_us: null, boot_id: 'bench' },
      start_at: start,
      start_skew_ms: null,
      start_frame: 0,
      clock: {
        source: 'none',
        offset_ms: null,
        bound_ms: null,
        ci95_ms: null,
        confidence: 0,
        stratum: null,
        last_sync: null,
      },
      frame_phase_sync: false,
      gaps: [],
      encoder_restarts: 0,
      disk_errors: 0,
      clock_steps: 0,
      overridden_gates: [],
      timeline: `${sessionId}_CAM_C.timeline.jsonl`,
      source: 'file',
      requested: 'h264 1920x1080@30',
      effective: 'h264 1920x1080@30',
      steps: [],
      reason: null,
      audio: null,
      lock_view: null,
      beep_at: null,
      bytes_lost: 0,
    },
  };
}
