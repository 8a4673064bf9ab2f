import t from 'tap';
import { type FilmIndex, frameRate, indexReader, middleUs } from '#domain/film/index-of-film.ts';
import { differenceOf, proxyArguments, reasonToEncode, thumbnailArguments } from '#domain/film/proxy.ts';

/** Packets as ffprobe prints them: `[seconds, flags]` in the order of the file. */
function read(
  packets: readonly [number | string, string][],
  stream = 'codec_name=h264|width=1280|height=720|pix_fmt=yuv420p',
) {
  const reader = indexReader();
  for (const [at, flags] of packets) reader.line(`pts_time=${at}|duration_time=0.033333|flags=${flags}`);
  reader.line(stream);
  return reader.end();
}
const film = (change: Partial<FilmIndex> = {}): FilmIndex => ({
  codec: 'h264',
  pixelFormat: 'yuv420p',
  width: 1280,
  height: 720,
  shownUs: [0, 33_333, 66_667, 100_000],
  durationUs: 133_333,
  longestGroupUs: 100_000,
  openGroups: false,
  hiddenFrames: 0,
  ...change,
});

t.test('the index of a film', async (t) => {
  const index = read([
    ['5.000000', 'K_'],
    ['5.100000', '__'],
    ['5.033333', '__'],
    ['5.066667', '__'],
    ['6.000000', 'K_'],
  ]);
  t.same(index.shownUs, [0, 33_333, 66_667, 100_000, 1_000_000], 'in the order of showing, from 0');
  t.match(index, {
    codec: 'h264',
    pixelFormat: 'yuv420p',
    width: 1280,
    height: 720,
    durationUs: 1_033_333,
    longestGroupUs: 100_000,
    openGroups: false,
    hiddenFrames: 0,
  });
  t.equal(frameRate(index), 30, 'gaps do not slow it down');
  t.equal(middleUs(index), 66_667);
  t.equal(frameRate({ shownUs: [0] }), 0);

  const open = read([
    [0, 'K_'],
    [1, 'K_'],
    [0.9, '__'],
  ]);
  t.equal(open.openGroups, true, 'a frame shown before the key frame it follows');
  t.equal(read([[0, '__']]).openGroups, true, 'a film that does not begin with a key frame');
  t.match(
    read([
      [0, 'KD'],
      [1, 'K_'],
    ]),
    { hiddenFrames: 1, shownUs: [0] },
    'what an edit list hides',
  );
  t.throws(() => read([]), RangeError, 'no frames');
  t.throws(() => read([['N/A', 'K_']]), RangeError, 'no times');
});

t.test('what is encoded again', async (t) => {
  t.equal(reasonToEncode(film()), undefined);
  t.match(reasonToEncode(film({ codec: 'hevc' })), /hevc/);
  t.match(reasonToEncode(film({ pixelFormat: 'yuv420p10le' })), /yuv420p10le/);
  t.match(reasonToEncode(film({ width: 1920 })), /1920/);
  t.match(reasonToEncode(film({ openGroups: true })), /key frame/);
  t.match(reasonToEncode(film({ hiddenFrames: 2 })), /2 of its frames/);
  t.equal(reasonToEncode(film({ longestGroupUs: 2_000_000 })), undefined);
  t.match(reasonToEncode(film({ longestGroupUs: 2_033_333 })), /2.0 s/);
});

t.test('a proxy stands for its original', async (t) => {
  const original = film({ codec: 'hevc', width: 3840 });
  t.equal(differenceOf(original, film()), undefined);
  t.equal(
    differenceOf(original, film({ shownUs: [0, 33_000, 67_000, 100_400] })),
    undefined,
    'times are rounded',
  );
  t.match(differenceOf(original, film({ width: 1920 })), /not every browser/);
  t.match(differenceOf(original, film({ shownUs: [0, 33_333, 66_667] })), /3 frames, the original 4/);
  t.match(differenceOf(original, film({ shownUs: [0, 33_333, 68_000, 100_000] })), /frame 2 is shown at/);
  t.match(differenceOf(original, film({ durationUs: 200_000 })), /s long/);
});

t.test('arguments', async (t) => {
  const paths = { from: 'a.mp4', to: 'b.mp4' };
  t.match(
    proxyArguments(paths, false).join(' '),
    /-i a.mp4 -map 0:v:0 -c copy -movflags \+faststart -f mp4 b.mp4$/,
  );
  t.match(proxyArguments(paths, true).join(' '), /-fps_mode passthrough -enc_time_base -1/);
  t.match(thumbnailArguments(paths, 1_500_000).join(' '), /-ss 1.500000 -i a.mp4/);
});
