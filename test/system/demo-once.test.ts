import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { fullFormats } from 'ajv-formats/dist/formats.js';
import t, { type Test } from 'tap';
import { fromWireTime } from '#contracts/time.ts';
import { runProgram, startProgram } from '#ports/program/program.ts';
import type { DemoResult } from '../../cli/demo/once.ts';
import { ROOT } from '../fixtures/quiet-shell.ts';
import { readBurnedClock } from '../fixtures/read-burned-clock.ts';

// Boots a whole rig, records, stitches: twice.
t.setTimeout(600_000);

const LAUNCHER = join(ROOT, 'touchline');

/** Runs the launcher as a person would; stdout, stderr lines and exit code. */
async function touchline(
  ...args: string[]
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const program = await startProgram(LAUNCHER, args, { stdout: 'pipe' });
  let stdout = '';
  program.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  const { code, stderr } = await program.ended;
  return { code, stdout, stderr: stderr.join('\n') };
}

async function probe(
  file: string,
): Promise<{ frames: number; width: number; height: number; durationSec: number; codec: string }> {
  const text = await runProgram('ffprobe', [
    ...['-v', 'error', '-count_frames', '-select_streams', 'v', '-of', 'json'],
    ...['-show_entries', 'stream=nb_read_frames,width,height,codec_name:format=duration', file],
  ]);
  const { streams, format } = JSON.parse(text);
  return {
    frames: Number(streams[0].nb_read_frames),
    width: streams[0].width,
    height: streams[0].height,
    codec: streams[0].codec_name,
    durationSec: Number(format.duration),
  };
}

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

function manifestSchema(): (value: unknown) => string[] {
  const ajv = new Ajv2020({ strict: false, allErrors: true, formats: fullFormats });
  const validate = ajv.compile(JSON.parse(readFileSync(join(ROOT, 'docs/schemas/manifest.json'), 'utf8')));
  return (value) =>
    validate(value) ? [] : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
}

/** What holds for every result, whatever the cameras were. */
async function check(
  t: Test,
  run: { code: number | null; stdout: string; stderr: string },
  out: string,
): Promise<DemoResult> {
  t.equal(run.code, 0, run.stderr);
  const result = JSON.parse(run.stdout) as DemoResult;
  t.equal(run.stdout, `${JSON.stringify(result)}\n`, 'stdout is one JSON object and nothing else');
  t.same(result.recordings.map(({ camera_id }) => camera_id).sort(), ['CAM_C', 'CAM_L', 'CAM_R']);
  const invalid = manifestSchema();
  for (const recording of result.recordings) {
    const { camera_id, file, manifest: manifestPath } = recording;
    t.ok(
      isAbsolute(file) && file.startsWith(join(out, 'nodes', camera_id, 'recordings')),
      `${camera_id}: absolute, below nodes/`,
    );
    t.ok(isAbsolute(manifestPath) && manifestPath.startsWith(join(out, 'nodes', camera_id, 'manifests')));
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'));
    t.same(invalid(manifest), [], `${camera_id}: the manifest follows the published schema`);
    t.equal(sha256(file), recording.sha256, `${camera_id}: the hash is that of the file`);
    t.equal(manifest.checksum.value, recording.sha256);
    const central = join(out, 'central/sessions', result.session_id, camera_id);
    t.equal(
      sha256(join(central, 'recording.mp4')),
      recording.sha256,
      `${camera_id}: central has the same bytes`,
    );
    t.ok(existsSync(join(central, 'manifest.json')), `${camera_id}: and the manifest`);
    const probed = await probe(file);
    t.equal(probed.frames, recording.frames, `${camera_id}: every frame that is counted decodes`);
    t.ok(
      Math.abs(probed.durationSec - recording.duration_sec) < 0.1,
      `${camera_id}: ${probed.durationSec} s, as the manifest says: ${recording.duration_sec} s`,
    );
    t.equal(recording.offloaded, true);
  }
  const { panorama } = result;
  t.equal(panorama.file, join(out, 'central/sessions', result.session_id, 'stitched/panorama.mp4'));
  const stitched = await probe(panorama.file);
  t.same([stitched.width, stitched.height], [panorama.width, panorama.height]);
  t.ok(Math.abs(stitched.durationSec - panorama.duration_sec) < 0.1);
  const shortest = Math.min(...result.recordings.map(({ duration_sec }) => duration_sec));
  t.ok(
    panorama.duration_sec <= shortest + 0.1 && panorama.duration_sec > shortest - 1.5,
    'it covers what all cameras saw',
  );
  return result;
}

t.test('demo --once on the bundles, one process per service', async (t) => {
  const out = join(t.testdir({}), 'out');
  const result = await check(
    t,
    await touchline('demo', '--once', '--seconds', '5', '--json', '--bundles', '--out', out),
    out,
  );
  const { panorama } = result;
  t.match(panorama, { calibrated: true, calibration_reason: null });
  t.ok((panorama.calibration_rms_px ?? 9) < 3, `the views fit to ${panorama.calibration_rms_px} px`);
  // 156 degrees, as sharp in the middle as the cameras are.
  t.ok(panorama.width > 2500 && panorama.height > 500, `${panorama.width}x${panorama.height}`);

  // Start skew and times, read from the pixels.
  const skews: number[] = [];
  let worstUs = 0;
  for (const { file, manifest: manifestPath } of result.recordings) {
    const manifest = JSON.parse(readFileSync(manifestPath, 'utf8'));
    const burned = await readBurnedClock(file);
    const first = fromWireTime(manifest.timing.start_time);
    const fileUs = Math.max(...burned.map(({ ptsUs, epochUs }) => Math.abs(first + ptsUs - epochUs)));
    // A machine that was too busy to read its clocks well says so: that much more may be amiss, and no more.
    const { bound_ms, source } = manifest.touchline.clock;
    t.ok(
      fileUs < 1000 + 1000 * bound_ms,
      `${file}: manifest and pixels agree on every frame: ${fileUs} us, bound ${bound_ms} ms (${source})`,
    );
    worstUs = Math.max(worstUs, fileUs);
    const startAt = fromWireTime(manifest.touchline.start_at);
    // The frame that the manifest means: an exposure right at the start may be read as just before it or just after.
    const toldUs = startAt + manifest.touchline.start_skew_ms * 1000;
    const [exposed] = burned.toSorted((a, b) => Math.abs(a.epochUs - toldUs) - Math.abs(b.epochUs - toldUs));
    if (exposed === undefined) throw new Error(`${file} has no frames`);
    t.ok(exposed.epochUs > startAt - 1000, `${file}: the start frame was exposed after the agreed start`);
    skews.push((exposed.epochUs - startAt) / 1000);
  }
  const skewMs = Math.max(...skews) - Math.min(...skews);
  t.comment(
    `start skew ${skewMs.toFixed(2)} ms in the pixels, ${result.start_skew_ms} ms in the manifests; times in manifests at worst ${worstUs} us off`,
  );
  t.ok(
    Math.abs(skewMs - (result.start_skew_ms ?? Number.NaN)) < 1,
    `and on the start skew: ${skewMs} and ${result.start_skew_ms} ms`,
  );
});

t.test('demo --once with video files as cameras: replayed, re-encoded, looped', async (t) => {
  const dir = t.testdir({});
  const out = join(dir, 'out');
  await mkdir(out);
  const make = (name: string, ...args: string[]): Promise<string> =>
    runProgram('ffmpeg', [
      '-v',
      'error',
      '-f',
      'lavfi',
      '-i',
      'testsrc2=size=640x360:rate=30',
      ...args,
      join(dir, name),
    ]);
  await make(
    'left.mp4',
    '-t',
    '8',
    '-c:v',
    'libx264',
    '-preset',
    'ultrafast',
    '-tune',
    'zerolatency',
    '-g',
    '15',
  );
  await make('center.mkv', '-t', '8', '-c:v', 'mpeg4', '-bf', '2', '-q:v', '3');
  await make(
    'right.webm',
    '-t',
    '2',
    '-c:v',
    'libvpx',
    '-deadline',
    'realtime',
    '-cpu-used',
    '8',
    '-b:v',
    '1M',
  );
  const sources = ['CAM_L=left.mp4', 'CAM_C=center.mkv', 'CAM_R=right.webm'].flatMap((pair) => [
    '--source',
    pair.replace('=', `=${dir}/`),
  ]);
  const result = await check(
    t,
    await touchline('demo', '--once', '--seconds', '4', '--json', '--out', out, ...sources),
    out,
  );
  t.match(result.panorama, { calibrated: false, width: 3 * 640 - 2 * 100, height: 360 });
  t.type(result.panorama.calibration_reason, 'string', 'it says why it is not calibrated');
  for (const { camera_id, duration_sec } of result.recordings)
    t.ok(duration_sec >= 4, `${camera_id} has at least the seconds asked for: ${duration_sec}`);
  const starts = result.recordings.map(({ manifest }) =>
    fromWireTime(JSON.parse(readFileSync(manifest, 'utf8')).timing.start_time),
  );
  t.ok(
    Math.max(...starts) - Math.min(...starts) < 1000,
    `the three films begin at the same instant: ${starts}`,
  );
});
