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
