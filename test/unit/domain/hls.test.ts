import t from 'tap';
import { createSegmentList, type IndexedFragment, playlist } from '#domain/hls/playlist.ts';

const TIMESCALE = 1000;

/** Fragments of 0.25 s and 100 bytes with a key frame every half second, from `from` on. */
function* fragments(
  from: { n: number; offset: number; time: number },
  count: number,
): Generator<IndexedFragment> {
  for (let n = 0; n < count; n++)
    yield {
      offset: from.offset + n * 100,
      sizeBytes: 100,
      startTime: from.time + n * 250,
      endTime: from.time + (n + 1) * 250,
      keyframe: (from.n + n) % 2 === 0,
    };
}

const options = { file: 'video.mp4', timescale: TIMESCALE, initialisationBytes: 700 } as const;

t.test('segments begin at key frames, about two seconds apart, and cover every byte once', async (t) => {
  const segments = createSegmentList(TIMESCALE);
  for (const fragment of fragments({ n: 0, offset: 700, time: 0 }, 21)) segments.push(fragment);
  t.same(segments.closed, [
    { offset: 700, sizeBytes: 800, startTime: 0, endTime: 2000 },
    { offset: 1500, sizeBytes: 800, startTime: 2000, endTime: 4000 },
  ]);
  t.same(segments.open, { offset: 2300, sizeBytes: 500, startTime: 4000, endTime: 5250 });
  t.equal(
    playlist({ ...options, segments, finished: true, startsAt: '2024-03-15T14:00:00.000000Z' }),
    `#EXTM3U
#EXT-X-VERSION:7
#EXT-X-TARGETDURATION:4
#EXT-X-PLAYLIST-TYPE:VOD
#EXT-X-MEDIA-SEQUENCE:0
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-PROGRAM-DATE-TIME:2024-03-15T14:00:00.000000Z
#EXT-X-MAP:URI="video.mp4",BYTERANGE="700@0"
#EXTINF:2.000000,
#EXT-X-BYTERANGE:800@700
video.mp4
#EXTINF:2.000000,
#EXT-X-BYTERANGE:800@1500
video.mp4
#EXTINF:1.250000,
#EXT-X-BYTERANGE:500@2300
video.mp4
#EXT-X-ENDLIST
`,
  );
});

t.test('of a film that grows only what is over is listed, and what was listed stays as it was', async (t) => {
  const segments = createSegmentList(TIMESCALE);
  let before = playlist({ ...options, segments, finished: false });
  t.match(before, '#EXT-X-PLAYLIST-TYPE:EVENT');
  for (const fragment of fragments({ n: 0, offset: 700, time: 0 }, 60)) {
    segments.push(fragment);
    const now = playlist({ ...options, segments, finished: false });
    t.ok(now.startsWith(before), 'only lines are added') || t.bailout(now);
    t.notMatch(now, '#EXT-X-ENDLIST');
    before = now;
  }
  t.equal(before.split('#EXTINF').length - 1, 7);
});

t.test('lost frames leave the clock of the film alone', async (t) => {
  const segments = createSegmentList(TIMESCALE);
  for (const fragment of fragments({ n: 0, offset: 0, time: 0 }, 8)) segments.push(fragment);
  // Seven seconds are missing.
  for (const fragment of fragments({ n: 0, offset: 800, time: 9000 }, 4)) segments.push(fragment);
  t.same(segments.closed, [{ offset: 0, sizeBytes: 800, startTime: 0, endTime: 9000 }]);
  t.match(playlist({ ...options, segments, finished: false }), '#EXT-X-TARGETDURATION:9\n');
});

t.test('nothing recorded yet is an empty list', async (t) => {
  const segments = createSegmentList(TIMESCALE);
  t.notMatch(playlist({ ...options, segments, finished: false }), '#EXTINF');
});
