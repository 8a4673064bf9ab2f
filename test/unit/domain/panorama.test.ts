import t from 'tap';
import type { Position } from '#contracts/ids.ts';
import { Manifest } from '#contracts/manifest.ts';
import { stitchArguments } from '#domain/panorama/ffmpeg-arguments.ts';
import { sideBySide } from '#domain/panorama/layout.ts';
import { progressReader } from '#domain/panorama/progress.ts';
import { sideBySideGraph } from '#domain/panorama/side-by-side-graph.ts';
import { commonSpan, uncoveredSec, type View, viewOf } from '#domain/panorama/span.ts';

const HD = { width: 1280, height: 720 };
const PLACES: Record<string, Position> = { CAM_L: 'left', CAM_C: 'center', CAM_R: 'right' };

function view(cameraId: string, fromSec: number, toSec: number, part = 1): View {
  return {
    ...HD,
    cameraId,
    position: PLACES[cameraId] ?? 'center',
    part,
    startUs: fromSec * 1e6,
    endUs: toSec * 1e6,
    fps: 30,
    hiddenRows: 0,
    masterTime: true,
  };
}

t.test('the common span is the longest that one file of every camera covers', async (t) => {
  const spanOf = (views: View[]) => {
    const span = commonSpan(views);
    return (
      span && [span.fromUs / 1e6, span.toUs / 1e6, ...span.views.map((one) => `${one.cameraId}.${one.part}`)]
    );
  };
  t.same(
    spanOf([view('CAM_R', 2, 12), view('CAM_L', 0, 10), view('CAM_C', 1, 11)]),
    [2, 10, 'CAM_L.1', 'CAM_C.1', 'CAM_R.1'],
    'ordered by position, not by name or arrival',
  );
  t.same(
    spanOf([
      view('CAM_L', 0, 100),
      view('CAM_C', 0, 30),
      view('CAM_C', 32, 100, 2),
      view('CAM_R', 0, 50),
      view('CAM_R', 51, 100, 2),
    ]),
    [51, 100, 'CAM_L.1', 'CAM_C.2', 'CAM_R.2'],
    'two cameras that were interrupted',
  );
  t.same(spanOf([view('CAM_L', 0, 10), view('CAM_C', 5, 20)]), [5, 10, 'CAM_L.1', 'CAM_C.1'], 'two cameras');
  t.same(spanOf([view('CAM_L', 0, 10)]), [0, 10, 'CAM_L.1'], 'one camera');
  t.equal(spanOf([view('CAM_L', 0, 10), view('CAM_C', 10, 20)]), undefined, 'touching is not overlapping');
  t.equal(
    spanOf([view('CAM_L', 0, 10), view('CAM_C', 5, 20), view('CAM_R', 12, 20)]),
    undefined,
    'each two overlap, all three do not',
  );
  t.equal(spanOf([]), undefined);
});

t.test('time that was recorded and is not in the panorama', async (t) => {
  const files = [view('CAM_L', 0, 10), view('CAM_C', 2, 12), view('CAM_L', 20, 25, 2)];
  t.equal(uncoveredSec(files, { fromUs: 2e6, toUs: 10e6 }), 9, '12 s and 5 s recorded, 8 s used');
  t.equal(uncoveredSec([view('CAM_L', 0, 10)], { fromUs: 0, toUs: 10e6 }), 0);
});

t.test('a manifest tells when its file begins', async (t) => {
  const manifest = Manifest.parse({
    version: '1.0',
    recording: { id: 'G_CAM_L', session_id: 'G', camera_id: 'CAM_L', position: 'left' },
    file: { name: 'G_CAM_L.mp4', size_bytes: 1, container: 'mp4', codec: 'h264' },
    video: { resolution: HD, fps: 30, bitrate_mbps: 4, duration_sec: 2.5 },
    timing: {
      start_time: '2024-03-15T14:00:00.123456Z',
      end_time: '2024-03-15T14:00:02.623456Z',
      ntp_synced: true,
    },
    checksum: { algorithm: 'sha256', value: 'a'.repeat(64) },
  });
  const plain = viewOf(manifest);
  t.match(plain, { cameraId: 'CAM_L', part: 1, ...HD, masterTime: true });
  t.equal(plain.endUs - plain.startUs, 2_500_000);
  t.equal(plain.startUs % 1_000_000, 123_456, 'to the microsecond');

  const additions = (master: string | null) =>
    ({ part: 3, first_frame: { master, local: manifest.timing.start_time } }) as Manifest['touchline'];
  const ours = viewOf({ ...manifest, touchline: additions('2024-03-15T14:00:01.000000Z') });
  t.equal(ours.startUs - plain.startUs, 876_544, 'the first frame in master time wins');
  t.equal(ours.part, 3);
  const alone = viewOf({ ...manifest, touchline: additions(null) });
  t.same([alone.startUs, alone.masterTime], [plain.startUs, false], 'a node that knew no master says so');
});

t.test('views side by side', async (t) => {
  t.same(sideBySide([HD, HD, HD], 100), {
    width: 3640,
    height: 720,
    overlap: 100,
    viewWidths: [1280, 1280, 1280],
  });
  t.equal(sideBySide([HD, HD], 0).width, 2560);
  const mixed = sideBySide([{ width: 3840, height: 2160 }, HD, { width: 1919, height: 1081 }], 100);
  t.same([mixed.height, mixed.viewWidths], [720, [1280, 1280, 1278]], 'scaled to the smallest, even sizes');
  t.equal(mixed.width, 1280 + 1280 + 1278 - 200);
  t.equal(sideBySide([{ width: 1281, height: 721 }], 0).height % 2, 0);
  for (const overlap of [640, 101, -2]) t.throws(() => sideBySide([HD, HD], overlap), RangeError);
});

t.test('the arguments of ffmpeg', async (t) => {
  const input = (path: string, offsetSec: number, leadSec = 0) => ({ path, offsetSec, leadSec, fps: 25 });
  const plan = {
    inputs: [input('/l.mp4', 1.49), input('/c.mp4', 0), input('/r.mp4', 0.25, 0.08)],
    graph: sideBySideGraph(sideBySide([HD, HD, HD], 100)),
    fps: 25,
    firstFrame: 0,
    frames: 250,
    encoding: { codec: 'h264' as const, preset: 'medium' },
    output: '/out.mp4',
  };
  const all = stitchArguments(plan);
  const after = (name: string, args = all) =>
    args.flatMap((arg, index) => (arg === name ? [args[index + 1]] : []));
  t.same(after('-i'), ['/l.mp4', '/c.mp4', '/r.mp4']);
  t.same(
    after('-ss'),
    ['1.400000', '0.000000', '0.240000'],
    'two frames before the nearest to what is wanted, never before the file',
  );
  t.same(after('-frames:v'), ['250']);
  t.equal(all.at(-1), '/out.mp4');
  const graph = String(after('-filter_complex')[0]);
  t.same(
    [...graph.matchAll(/setpts=PTS-([\d.]+)/g)].map((match) => match[1]),
    ['0.080000', '0.000000', '0.080000'],
    'the rest by time stamps',
  );
  t.same(
    [...graph.matchAll(/crop=(\d+):720:(\d+):0/g)].map((match) => `${match[1]}@${match[2]}`),
    ['1180@0', '100@1180', '100@0', '1080@100', '100@1180', '100@0', '1180@100'],
    'bodies and strips add up to the width',
  );
  t.equal(graph.match(/maskedmerge/g)?.length, 2, 'one blend for each seam');
  t.equal(graph.match(/geq/g)?.length, 1, 'one mask for all');
  t.match(graph, /trim=end_frame=1,geq/, 'made for one frame');

  const plainGraph = (inputs: typeof plan.inputs, overlap: number) =>
    String(
      after(
        '-filter_complex',
        stitchArguments({
          ...plan,
          inputs,
          graph: sideBySideGraph(
            sideBySide(
              inputs.map(() => HD),
              overlap,
            ),
          ),
        }),
      )[0],
    );
  t.match(plainGraph(plan.inputs.slice(0, 2), 0), /hstack=inputs=2/);
  t.notMatch(plainGraph(plan.inputs, 0), /maskedmerge/, 'nothing to blend without overlap');
  t.match(plainGraph(plan.inputs.slice(0, 2), 100), /\[body0\]\[seam1\]\[body1\]hstack=inputs=3/);
  const later = stitchArguments({ ...plan, firstFrame: 100, frames: 50 });
  t.same(after('-ss', later), ['5.400000', '3.920000', '4.240000'], 'a segment begins later in each file');
  t.match(
    stitchArguments({ ...plan, encoding: { codec: 'h265', preset: 'fast' } }).join(' '),
    /libx265 -tag:v hvc1/,
  );
});

t.test('progress', async (t) => {
  const read = progressReader(10);
  const block = (lines: string[]) => lines.map(read).at(-1);
  t.same(block(['frame=0', 'out_time_us=N/A', 'speed=N/A', 'progress=continue']), {
    progress: 0,
    speed: null,
    remainingSec: null,
  });
  t.equal(read('out_time_us=2500000'), undefined, 'nothing before the block is complete');
  t.same(block(['out_time_ms=2500000', 'speed= 2.5x', 'progress=continue']), {
    progress: 0.25,
    speed: 2.5,
    remainingSec: 3,
  });
  t.same(block(['out_time_us=10066732', 'speed=2x', 'progress=end']), {
    progress: 1,
    speed: 2,
    remainingSec: 0,
  });
});
