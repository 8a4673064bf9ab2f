import t, { type Test } from 'tap';
import type { Manifest } from '#contracts/manifest.ts';
import { going, movedTo, timeAt } from '../../../ui/console/playback/common-clock.ts';
import { correction, mediaTarget, smoothed, stepped } from '../../../ui/console/playback/following.ts';
import { gapsOfRecording } from '../../../ui/console/playback/gaps.ts';
import {
  clipAt,
  epochUs,
  holeAt,
  panoramaTrack,
  standingOf,
  timelineOf,
} from '../../../ui/console/playback/timeline.ts';
import { recording, session } from './console-samples.ts';

const at = (text: string): string => `2026-03-15T14:00:${text}Z`;

t.test('wire times keep their microseconds', (t: Test) => {
  t.equal(epochUs('1970-01-01T00:00:01.000123Z'), 1_000_123);
  t.equal(epochUs('1970-01-01T00:00:01Z'), 1_000_000);
  t.equal(epochUs('1970-01-01T00:00:00.5Z'), 500_000);
  t.end();
});

t.test('recordings lie on one clock by their first frames', (t: Test) => {
  const match = session({
    recordings: [
      recording('CAM_L', { started_at: at('00.012000') }),
      recording('CAM_C', { started_at: at('00.000000'), duration_sec: 20 }),
      recording('CAM_C', { started_at: at('25.000000'), duration_sec: 30, part: 2 }),
      recording('CAM_R', { started_at: null }),
    ],
  });
  const timeline = timelineOf(match, new Map());
  t.same(
    timeline.tracks.map(({ name, clips }) => [name, ...clips.map((clip) => [clip.startSec, clip.endSec])]),
    [['CAM_L', [0.012, 60.012]], ['CAM_C', [0, 20], [25, 55]], ['CAM_R']],
  );
  t.equal(timeline.durationSec, 60.012);
  t.same(
    timeline.unplaced.map(({ camera_id }) => camera_id),
    ['CAM_R'],
  );
  const [left, center, right] = timeline.tracks;
  if (!left || !center || !right) throw new Error('three tracks');
  t.same(left.holes, [], 'a frame of skew is no hole');
  t.same(
    center.holes.map(({ fromSec, toSec, kind }) => [fromSec, toSec, kind]),
    [
      [20, 25, 'nothing'],
      [55, 60.012, 'nothing'],
    ],
  );
  t.same(
    right.holes.map(({ fromSec, toSec }) => [fromSec, toSec]),
    [[0, 60.012]],
  );
  t.equal(clipAt(center.clips, 22), null);
  t.equal(clipAt(center.clips, 25)?.part, 2);
  t.equal(clipAt(left.clips, 0)?.part, 1, 'the first frame is nearest, 12 ms before it was exposed');
  t.match(holeAt(center, 22), { kind: 'nothing' });
  t.equal(holeAt(center, 30), null);
  t.end();
});

t.test('an empty session has an empty timeline', (t: Test) => {
  const timeline = timelineOf(session({ recordings: [] }), new Map());
  t.match(timeline, { startUs: 0, durationSec: 0, unplaced: [] });
  t.same(
    timeline.tracks.flatMap(({ holes }) => holes),
    [],
  );
  t.end();
});

t.test('gaps lie where the recording lies, whatever clock the manifest was written by', (t: Test) => {
  const manifest = {
    timing: { start_time: at('02.000000') },
    touchline: {
      gaps: [{ from: at('12.000000'), to: at('12.400000'), frames: 12, reason: 'the encoder was restarted' }],
    },
  } as unknown as Manifest;
  const match = session({
    recordings: [recording('CAM_L', { started_at: at('00.000000') })],
    cameras: ['CAM_L'],
  });
  const [left] = timelineOf(match, new Map([['CAM_L/1', manifest]])).tracks;
  t.match(left?.holes, [{ fromSec: 10, toSec: 10.4, kind: 'gap', words: /^12 frames missing/ }]);
  t.end();
});

t.test('what is lost between two parts belongs to the later one', (t: Test) => {
  const manifest = (start: string, gaps: object[]): Manifest =>
    ({ timing: { start_time: start }, touchline: { gaps } }) as unknown as Manifest;
  const [first, second] = [at('00.000000'), at('26.000007')];
  const match = session({
    cameras: ['CAM_R'],
    recordings: [
      // A rounding away from where the gap begins.
      recording('CAM_R', { started_at: first, duration_sec: 20.000004 }),
      recording('CAM_R', { started_at: second, duration_sec: 30, part: 2 }),
    ],
  });
  const lost = { from: at('20.000007'), to: second, frames: 180, reason: 'the camera failed' };
  const within = { from: at('40.000000'), to: at('40.100000'), frames: 3, reason: 'frames lost' };
  const trackWith = (gaps: object[]) =>
    timelineOf(
      match,
      new Map([
        ['CAM_R/1', manifest(first, [])],
        ['CAM_R/2', manifest(second, gaps)],
      ]),
    ).tracks[0];
  const of = (key: string, gaps: object[]) => {
    const track = trackWith(gaps);
    return track
      ? gapsOfRecording(track, key).map(({ frames, reason, within }) => [frames, reason, within])
      : [];
  };
  t.same(of('CAM_R/1', [lost]), []);
  t.same(of('CAM_R/2', [lost, within]), [
    [180, 'the camera failed', false],
    [3, 'frames lost', true],
  ]);
  t.same(
    of('CAM_R/2', [within]),
    [
      [180, 'nothing recorded', false],
      [3, 'frames lost', true],
    ],
    'also when no manifest tells of it',
  );
  const track = trackWith([lost]);
  t.match(track && holeAt(track, 22), { words: '180 frames missing: the camera failed' });
  t.end();
});

t.test('a camera before its first frame and behind its last', (t: Test) => {
  const track = {
    name: 'CAM_L',
    holes: [],
    clips: [{ key: '', startSec: 0.375, endSec: 20, fps: 30, url: '', part: 1 }],
  };
  t.same(
    [0, 0.3, 0.34, 10, 20.05, 20.1].map((atSec) => standingOf(track, atSec)),
    ['before', 'before', 'within', 'within', 'within', 'after'],
  );
  t.equal(standingOf({ ...track, clips: [] }, 3), 'within');
  t.end();
});

t.test('the panorama lies where it was cut', (t: Test) => {
  const match = session();
  const timeline = timelineOf(match, new Map());
  t.equal(panoramaTrack(match, timeline), null);
  const result = { from: at('01.500000'), duration_sec: 50, fps: 25 };
  const panorama = { url: '/p.mp4', thumbnail_url: null, result } as unknown as NonNullable<
    typeof match.panorama
  >;
  t.match(panoramaTrack({ ...match, panorama }, timeline)?.clips, [{ startSec: 1.5, endSec: 51.5, fps: 25 }]);
  t.end();
});

t.test('the clock runs with its speed, and stands when it is told to', (t: Test) => {
  const standing = { atSec: 10, sinceMs: 0, speed: 1, running: false };
  t.equal(timeAt(standing, 5000), 10);
  const running = going(standing, 5000, { running: true });
  t.equal(timeAt(running, 7000), 12);
  const slow = going(running, 7000, { speed: 0.25 });
  t.equal(timeAt(slow, 11_000), 13);
  t.equal(timeAt(movedTo(slow, 11_000, 40), 15_000), 41);
  t.end();
});

t.test('a video is brought back by its speed, and jumps when it is far', (t: Test) => {
  t.same(correction(0.004, 30, 1), { kind: 'rate', rate: 1 }, 'a fraction of a frame');
  t.match(correction(0.02, 30, 1), { kind: 'rate', rate: 0.97 }, 'ahead: slower');
  t.match(correction(-0.02, 30, 2), { kind: 'rate', rate: 2.06 }, 'behind: faster');
  t.match(correction(-0.15, 30, 1), { kind: 'rate', rate: 1.1 }, 'never a speed that one sees');
  t.match(correction(-0.1, 30, 0.25), { kind: 'rate', rate: 0.35 }, 'soon, also in slow motion');
  t.same(correction(0.3, 30, 1), { kind: 'jump' });
  t.match(correction(0.3, 30, 4), { kind: 'rate' }, 'the faster, the rougher');
  t.end();
});

t.test('the frame nearest to the moment is asked for in its middle', (t: Test) => {
  const clip = { key: '', startSec: 10, endSec: 20, fps: 25, url: '', part: 1 };
  const frame = (atSec: number): number => Math.floor(mediaTarget(clip, atSec) * 25);
  t.equal(frame(10), 0);
  t.equal(frame(10.039), 1, 'one millisecond before it was exposed');
  t.equal(frame(10.021), 1);
  t.equal(frame(10.019), 0);
  t.equal(frame(9), 0);
  t.equal(frame(30), 249, 'the last one');
  let moment = 10;
  for (let index = 0; index < 249; index++) moment = stepped(clip, moment, 1);
  t.equal(frame(moment), 249, 'no step is lost on the way');
  t.equal(frame(stepped(clip, moment, -1)), 248);
  t.end();
});

t.test('the middle of a stepping offset', (t: Test) => {
  let value: number | null = null;
  for (let ms = 0; ms < 3000; ms += 10) value = smoothed(value, ((ms % 40) - 15) / 1000, 10, 300);
  t.ok(Math.abs(value ?? 1) < 0.002, `${value}`);
  t.end();
});
