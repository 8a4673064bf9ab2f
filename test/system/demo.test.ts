import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import t, { type Test } from 'tap';
import { Manifest } from '#contracts/manifest.ts';
import type { DemoResult } from '../../cli/demo/once.ts';

const SECONDS = 4;
// Also when the file is run by itself, where tap's own limit is shorter than two recordings.
t.setTimeout(300_000);

/** `./touchline …` as a person starts it. `onLine` sees each line on stderr. */
async function touchline(args: string[], onLine?: (line: string, pid: number) => void) {
  const child = spawn(resolve('touchline'), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  const lines: string[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  createInterface({ input: child.stderr }).on('line', (line) => {
    lines.push(line);
    onLine?.(line, child.pid ?? 0);
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { out, err: lines.join('\n'), code, signal };
}

function probeSeconds(file: string): number {
  const probe = spawnSync('ffprobe', [
    '-v',
    'error',
    '-show_entries',
    'format=duration',
    '-of',
    'csv=p=0',
    file,
  ]);
  return Number(probe.stdout.toString());
}

t.test('demo --once records on three cameras, brings the files home and stitches them', async (t: Test) => {
  const folder = t.testdir({});
  const film = join(folder, 'film.mp4');
  const made = spawnSync('ffmpeg', [
    ...['-v', 'error', '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25'],
    ...['-t', '3', film],
  ]);
  t.equal(made.status, 0, String(made.stderr));
  const directory = join(folder, 'demo');
  const { out, err, code } = await touchline([
    ...[
      'demo',
      '--once',
      '--seconds',
      String(SECONDS),
      '--json',
      '--out',
      directory,
      '--source',
      `CAM_R=${film}`,
    ],
  ]);
  t.equal(code, 0, err);
  t.equal(out.trim().split('\n').length, 1, 'one line on stdout');
  const result = JSON.parse(out) as DemoResult;
  t.same(
    result.recordings.map(({ camera_id }) => camera_id),
    ['CAM_L', 'CAM_C', 'CAM_R'],
  );
  for (const { camera_id, file, manifest, sha256, duration_sec, frames, offloaded } of result.recordings) {
    const { session_id } = result;
    t.equal(
      relative(directory, manifest),
      `nodes/${camera_id}/manifests/${session_id}/${camera_id}/${session_id}_${camera_id}.json`,
    );
    t.ok(
      relative(directory, file).startsWith(`nodes/${camera_id}/recordings/${session_id}/${camera_id}/`),
      file,
    );
    t.equal(
      createHash('sha256').update(readFileSync(file)).digest('hex'),
      sha256,
      'the file is what the manifest says',
    );
    const home = readFileSync(join(directory, 'central/sessions', session_id, camera_id, 'recording.mp4'));
    t.equal(createHash('sha256').update(home).digest('hex'), sha256, 'and central has the same');
    const parsed = Manifest.parse(JSON.parse(readFileSync(manifest, 'utf8')));
    t.match(parsed.touchline, { session_uid: result.session_uid, frames, offloaded: true, final: true });
    t.ok(Math.abs(duration_sec - SECONDS) < 1.5, `${duration_sec} s`);
    t.ok(frames >= SECONDS * 25, `${frames} frames`);
    t.equal(offloaded, true);
  }
  t.equal(
    result.panorama.file,
    join(directory, 'central/sessions', result.session_id, 'stitched/panorama.mp4'),
  );
  t.ok(Math.abs(probeSeconds(result.panorama.file) - result.panorama.duration_sec) < 0.2);
  t.ok(result.panorama.duration_sec > SECONDS - 1.5);
  t.ok(result.start_skew_ms !== null && result.start_skew_ms < 100, `start skew ${result.start_skew_ms} ms`);
  t.same(Object.keys(result.timings), [
    'boot_sec',
    'start_sec',
    'stop_sec',
    'stop_to_manifest_sec',
    'offload_sec',
    'panorama_sec',
  ]);
});

t.test('Ctrl-C while recording ends everything, with the recordings finished', async (t: Test) => {
  const directory = join(t.testdir({}), 'demo');
  const { out, code, err } = await touchline(
    ['demo', '--once', '--seconds', '60', '--json', '--out', directory],
    (line, pid) => {
      if (line.startsWith('recording ')) setTimeout(() => process.kill(pid, 'SIGINT'), 3000);
    },
  );
  t.equal(code, 130, err);
  t.equal(out, '');
  t.match(err, `Files and logs: ${directory}`);
  const left = spawnSync('pgrep', ['-f', '--', `--config ${directory}`]);
  t.equal(left.stdout.toString(), '', 'nothing is left running');
});

t.test('a camera that cannot be is refused before anything starts', async (t: Test) => {
  const directory = join(t.testdir({}), 'demo');
  const { out, code, err } = await touchline([
    'demo',
    '--once',
    '--out',
    directory,
    '--source',
    'CAM_X=/none.mp4',
  ]);
  t.equal(code, 1);
  t.equal(out, '');
  t.match(err, /there is no such camera; the demo has CAM_L, CAM_C, CAM_R/);
  t.equal(statSync(directory, { throwIfNoEntry: false }), undefined);
});
