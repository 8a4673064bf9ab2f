import t from 'tap';
import type { Position } from '#contracts/ids.ts';
import { Manifest } from '#contracts/manifest.ts';
import { clockTime } from '#domain/panorama/clock-time.ts';
import { stitchArguments } from '#domain/panorama/ffmpeg-arguments.ts';
import { sideBySide } from '#domain/panorama/layout.ts';
import { progressReader } from '#domain/panorama/progress.ts';
import { segmentsOfStretches } from '#domain/panorama/segments.ts';
import { sideBySideGraph } from '#domain/panorama/side-by-side-graph.ts';
import { absencesOf, timelineOf, uncoveredSec, type View, viewOf } from '#domain/panorama/span.ts';

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

/** `from–to` of the whole in seconds, then each stretch: its first frame, its length and the parts shown, `-` for none. */
function told(views: View[]): string[] | undefined {
  const line = timelineOf(views);
  return (
    line && [
      `${line.fromUs / 1e6}–${line.toUs / 1e6}`,
      ...line.stretches.map(
        (stretch) =>
          `${stretch.firstFrame}+${stretch.frames}: ${stretch.views.map((one) => one?.part ?? '-').join(' ')}`,
      ),
    ]
  );
}

t.test('one file of each camera: one stretch', async (t) => {
  const views = [view('CAM_R', 2, 12), view('CAM_L', 0, 10), view('CAM_C', 1, 11)];
  t.same(told(views), ['2–10', '0+240: 1 1 1']);
  t.same(
    timelineOf(views)?.views.map(({ cameraId }) => cameraId),
    ['CAM_L', 'CAM_C', 'CAM_R'],
    'ordered by position, not by name or arrival',
  );
  t.same(told([view('CAM_L', 0, 10), view('CAM_C', 5, 20)]), ['5–10', '0+150: 1 1'], 'two cameras');
  t.same(told([view('CAM_L', 0, 10)]), ['0–10', '0+300: 1'], 'one camera');
  t.equal(told([view('CAM_L', 0, 10), view('CAM_C', 10, 20)]), undefined, 'touching is not overlapping');
  t.equal(
    told([view('CAM_L', 0, 10), view('CAM_C', 5, 20), view('CAM_R', 12, 20)]),
    undefined,
    'each two overlap, all three do not',
  );
  t.equal(told([]), undefined);
  t.match(timelineOf([view('CAM_L', 0, 10), view('CAM_C', 9.98, 20)]), { frames: 0, stretches: [] });
  for (let late = 0; late < 2; late += 0.0137)
    t.same(
      told([view('CAM_L', 0, 10.01), view('CAM_C', late, 10 + late / 3), view('CAM_R', late / 2, 10)])?.slice(
        1,
      ),
      [`0+${Math.floor((Math.round((10 - late) * 1e6) * 30) / 1e6)}: 1 1 1`],
      `between frames, ${late} s: nothing is cut off at the ends`,
    );
});

t.test('cameras that were interrupted: all of the match, and who is missing when', async (t) => {
  const twice = [
    view('CAM_L', 0, 100),
    view('CAM_C', 1, 30),
    view('CAM_C', 32, 100, 2),
    view('CAM_R', 0, 51),
    view('CAM_R', 50, 90, 2),
  ];
  t.same(told(twice), ['1–90', '0+870: 1 1 1', '870+60: 1 - 1', '930+570: 1 2 1', '1500+1170: 1 2 2']);
  const line = timelineOf(twice);
  t.same(line && absencesOf(line), [{ cameraId: 'CAM_C', firstFrame: 870, frames: 60 }]);
  t.same(
    line?.views.map(({ part }) => part),
    [1, 2, 2],
    'the longest stretch stands for the cameras',
  );

  const together = [
    view('CAM_L', 0, 10),
    view('CAM_L', 20, 30, 2),
    view('CAM_C', 0, 12),
    view('CAM_C', 14, 30, 2),
  ];
  const both = timelineOf(together);
  t.same(told(together), [
    '0–30',
    '0+300: 1 1',
    '300+60: - 1',
    '360+60: - -',
    '420+180: - 2',
    '600+300: 2 2',
  ]);
  t.same(
    both && absencesOf(both),
    [
      { cameraId: 'CAM_L', firstFrame: 300, frames: 300 },
      { cameraId: 'CAM_C', firstFrame: 360, frames: 60 },
    ],
    'one absence, whatever happens to the others meanwhile',
  );
  t.same(
    told([view('CAM_L', 0, 10), view('CAM_L', 10, 20, 2), view('CAM_C', 0, 20)]),
    ['0–20', '0+300: 1 1', '300+300: 2 1'],
    'no gap: nobody is missing',
  );
  t.same(
    told([view('CAM_L', 0, 20), view('CAM_L', 0, 20, 2), view('CAM_C', 0, 20)]),
    ['0–20', '0+600: 1 1'],
    'the same time twice: one of them',
  );
  t.equal(
    told([view('CAM_L', 0, 10), view('CAM_L', 20, 30, 2), view('CAM_C', 10, 20), view('CAM_C', 30, 40, 2)]),
    undefined,
    'never together',
  );
});

t.test('a file shows only frames of the grid that it has', async (t) => {
  // Frame 0 is at 0.01 s. Part 1 ends between two frames of the grid, part 2 begins between two.
  const views = [
    view('CAM_C', 0.01, 10.01),
    view('CAM_L', 0, 4),
    { ...view('CAM_L', 5.005, 11, 2), fps: 60 },
  ];
  t.same(told(views), ['0.01–10.01', '0+120: 1 1', '120+30: - 1', '150+150: 2 1']);
  const slow = views.map((each) => ({ ...each, fps: each.cameraId === 'CAM_C' ? 25 : 30 }));
  t.same(told(slow), ['0.01–10.01', '0+100: 1 1', '100+25: - 1', '125+125: 2 1'], 'on a slower grid');
});

t.test('time that was recorded and is not in the panorama', async (t) => {
  const files = [view('CAM_L', 0, 10), view('CAM_C', 2, 12), view('CAM_L', 20, 25, 2)];
  t.equal(uncoveredSec(files, { fromUs: 2e6, toUs: 10e6 }), 9, '12 s and 5 s recorded, 8 s used');
  t.equal(uncoveredSec(files, { fromUs: 2e6, toUs: 22e6 }), 5, 'a gap within is none of it');
  t.equal(uncoveredSec([view('CAM_L', 0, 10)], { fromUs: 0, toUs: 10e6 }), 0);
});

t.test('segments do not go over the borders of stretches', async (t) => {
  const stretches = [
    { firstFrame: 0, frames: 97 },
    { firstFrame: 97, frames: 1 },
    { firstFrame: 98, frames: 80 },
  ];
  t.same(
    segmentsOfStretches(stretches, 30, 2).map((each) => [
      each.index,
      each.firstFrame,
      each.frames,
      stretches.indexOf(each.stretch),
    ]),
    [
      [0, 0, 60, 0],
      [1, 60, 37, 0],
      [2, 97, 1, 1],
      [3, 98, 80, 2],
    ],
  );
});

t.test('places in a film are told to a tenth of a second', async (t) => {
  t.same([12.34, 59.96, 605, 3723.4].map(clockTime), ['0:12.3', '1:00.0', '10:05.0', '1:02:03.4']);
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
  const gap = stitchArguments({
    ...plan,
    frames: 50,
    inputs: [{ ...input('/l.mp4', -4), scaledTo: HD }, { black: HD }, input('/r.mp4', 0)],
    firstFrame: 100,
  });
  t.same(
    after('-i', gap),
    ['/l.mp4', 'color=c=black:s=1280x720:r=25,format=yuv420p,trim=end_frame=50', '/r.mp4'],
    'a missing view is black, as long as the segment',
  );
  t.same(after('-ss', gap), ['0.000000', '3.920000'], 'a file that begins with the segment');
  t.match(after('-filter_complex', gap)[0], /round=near,scale=1280:720:flags=bicubic,.*;\[1:v:0\]null,/);
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
