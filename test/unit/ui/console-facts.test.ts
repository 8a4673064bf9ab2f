import t, { type Test } from 'tap';
import type { Manifest } from '#contracts/manifest.ts';
import type { NodeStatus } from '#contracts/states.ts';
import { agoText, byRig, summarizeDevice } from '../../../ui/console/device-words.ts';
import { factsOf } from '../../../ui/console/recording-facts.ts';
import { device, recording } from './console-samples.ts';

const status = (over: object): NodeStatus =>
  ({
    position: 'left',
    level: 'ok',
    warnings: [],
    software_version: '1.2.3',
    offload: [],
    recorder: { state: 'idle', disk: { minutes_left: 90, free_bytes: 5e9 } },
    ...over,
  }) as unknown as NodeStatus;

t.test('a camera as it was last heard', (t: Test) => {
  const word = (over: Parameters<typeof device>[0]) => summarizeDevice(device(over)).word;
  t.equal(word({ available: false, status: status({ level: 'fault' }) }), 'Not heard');
  t.equal(word({}), 'No state yet');
  t.equal(word({ status: status({}) }), 'Ready');
  t.equal(word({ status: status({ level: 'warning' }) }), 'Warning');
  t.equal(word({ status: status({ level: 'fault', recorder: { state: 'recording' } }) }), 'Fault');
  t.equal(word({ status: status({ recorder: { state: 'recording' } }) }), 'Recording');
  t.equal(
    word({ status: status({ level: 'warning', recorder: { state: 'recording' } }) }),
    'Recording, warning',
  );

  const { facts, warnings } = summarizeDevice(
    device({
      available: false,
      status: status({
        warnings: [{ message: '12 minutes of space left' }],
        offload: [{ state: 'waiting' }, { state: 'offloaded' }],
      }),
    }),
  );
  t.same(warnings, ['12 minutes of space left'], 'the last word counts until there is another');
  t.match(Object.fromEntries(facts), {
    Space: '1 h 30 min (5.0 GB)',
    'To bring home': '1',
    Version: '1.2.3',
  });
  t.match(
    Object.fromEntries(summarizeDevice(device()).facts),
    { Space: '—', 'To bring home': '—' },
    'unknown is not nothing',
  );
  t.end();
});

t.test('cameras by rig, from left to right', (t: Test) => {
  const at = (rig: string, camera_id: string, position: string) =>
    device({ rig, camera_id, status: status({ position }) });
  t.same(
    byRig([at('b', 'CAM_C', 'center'), at('a', 'CAM_R', 'right'), at('b', 'CAM_L', 'left')]).map(
      ([rig, devices]) => [rig, devices.map(({ camera_id }) => camera_id)],
    ),
    [
      ['a', ['CAM_R']],
      ['b', ['CAM_L', 'CAM_C']],
    ],
  );
  t.same([1, 30, 150, 7300, 90_000].map(agoText), ['now', '30 s ago', '2 min ago', '2 h ago', null]);
  t.end();
});

t.test('facts of a recording, and which are odd', (t: Test) => {
  const manifest = (touchline: object, dropped_frames = 0): Manifest =>
    ({ quality: { dropped_frames }, touchline }) as unknown as Manifest;
  const clock = { offset_ms: -0.5, bound_ms: 0.25 };
  const own = {
    start_skew_ms: 12.36,
    encoder_restarts: 0,
    disk_errors: 0,
    recovered: false,
    bytes_lost: 0,
    start_frame: 0,
    requested: 'h264 1280x720@30',
    effective: 'h264 1280x720@30',
    reason: null,
    clock_steps: 0,
    steps: [],
    audio: null,
    lock_view: null,
    clock,
  };
  const named = (facts: ReturnType<typeof factsOf>) =>
    Object.fromEntries(facts.map(({ name, value }) => [name, value]));
  const odd = (facts: ReturnType<typeof factsOf>) => facts.filter((fact) => fact.odd).map(({ name }) => name);

  const sound = factsOf(recording('CAM_L'), manifest(own));
  t.match(named(sound), {
    'Off the agreed start': '+12.4 ms',
    Picture: '1920×1080, 30/s',
    'Frames lost': '0',
    'Clock off the master': '−0.50 ± 0.25 ms',
    'After a crash': 'no',
  });
  t.same(odd(sound), []);

  const extra = [
    'Before the start',
    'Wanted instead',
    'Sound',
    'Clock, 95 % within',
    'Clock was set',
    'Lock View',
  ];
  t.same(
    sound.filter(({ nothing }) => nothing).map(({ name }) => name),
    extra,
    'what there is nothing to tell of',
  );
  const rich = factsOf(
    recording('CAM_L'),
    manifest({
      ...own,
      start_frame: 444,
      requested: 'h265 3840x2160@30',
      reason: 'x265 holds 0.25 times real time',
      audio: { codec: 'aac', sample_rate_hz: 48_000, channels: 1 },
      clock: { ...clock, bound_ms: 0.002, ci95_ms: 0.05 },
      clock_steps: 2,
      steps: [{ step_ms: -3_600_000 }, { step_ms: 12.4 }],
      lock_view: { at: '2026-03-15T13:58:00.000000Z' },
    }),
  );
  t.match(named(rich), {
    'Before the start': '15 s',
    'Wanted instead': 'H.265 3840×2160, 30 fps; but x265 holds 0.25 times real time',
    Sound: 'AAC, 48 kHz, mono',
    'Clock off the master': '−0.50 ± 0.01 ms',
    'Clock, 95 % within': '±0.05 ms',
    'Clock was set': '2 times: back by 60 min 0 s, forward by 12 ms',
    'Lock View': /^\d\d:\d\d:00/,
  });
  t.same(odd(rich), ['Clock was set']);
  t.same(
    rich.filter(({ nothing }) => nothing),
    [],
  );

  const poor = factsOf(
    recording('CAM_L', { master_time: false, fps: 29.97 }),
    manifest(
      {
        ...own,
        clock: { offset_ms: null, bound_ms: null },
        recovered: true,
        bytes_lost: 2000,
        encoder_restarts: 1,
      },
      3,
    ),
  );
  t.match(named(poor), { 'After a crash': 'recovered, 2.0 kB lost', Picture: '1920×1080, 29.97/s' });
  t.same(odd(poor), [
    'First frame',
    'Frames lost',
    'Encoder restarts',
    'Clock off the master',
    'After a crash',
  ]);

  const gap = { fromSec: 0, toSec: 6, frames: 180, reason: 'the camera failed', within: false };
  t.match(
    named(factsOf(recording('CAM_L'), manifest(own, 3), [gap, { ...gap, frames: 3, within: true }])),
    { 'Frames lost': '183' },
    'those before the first frame too; those within are counted by the file',
  );

  const bare = factsOf(recording('CAM_L', { width: null, height: null, fps: null, frames: null }), undefined);
  t.match(named(bare), { Picture: '—', Frames: '—', 'Frames lost': '—', 'Clock off the master': '—' });
  t.same(odd(bare), [], 'what is not known is not odd');
  t.end();
});
