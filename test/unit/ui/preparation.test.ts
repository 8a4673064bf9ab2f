import t from 'tap';
import type { RecorderState, SelfTestResult } from '#contracts/states.ts';
import { SECOND_START_WITHIN_MS } from '#domain/barrier/second-start.ts';
import { together } from '../../../ui/dashboard/ask-cameras.ts';
import { notesOf } from '../../../ui/dashboard/camera-notes.ts';
import { boundText, clockFacts, clockLine, unsetClock } from '../../../ui/dashboard/clock-words.ts';
import {
  arming,
  askable,
  leftText,
  lockViews,
  occupied,
  previews,
  selfTests,
  sound,
  soundIsFixed,
  testingText,
  timeText,
} from '../../../ui/dashboard/preparation.ts';
import { AGAIN_WITHIN_MS, couldJoin, leftOut, startRefusal } from '../../../ui/dashboard/start-refusal.ts';
import { recorderState } from '../../fixtures/recorder-state.ts';
import { node, SAMPLE_AT, syncState } from './rig-samples.ts';

const LATER = '2024-03-15T14:30:00.000000Z';
const camera = (name: string, change: Partial<RecorderState> = {}) =>
  node(name, { recorder: recorderState(change) });
const armed = (name: string, until = LATER) => camera(name, { state: 'armed', armed_until: until });
const tested = (over: Partial<SelfTestResult> = {}): Partial<RecorderState> => ({
  self_test: {
    at: SAMPLE_AT,
    passed: true,
    seconds: 10,
    frames: 300,
    expected_frames: 300,
    dropped_frames: 0,
    decodable: true,
    encoder_speed: null,
    disk_write_mbps: 900,
    findings: [],
    ...over,
  },
});

t.test('arming: of all, of some, and how long it still holds', (t) => {
  t.match(arming([camera('CAM_L')]), { on: false, leftSec: null, text: /last 15 s/ });
  const all = arming([armed('CAM_L'), armed('CAM_C', '2024-03-15T14:29:00.000000Z')]);
  t.match(all, { on: true, leftSec: 29 * 60 }, 'the first that gives it up counts');
  t.match(all.text, `until ${timeText('2024-03-15T14:29:00.000000Z')}`);
  t.equal(leftText(all, 12.2), '28:47 left', 'the page counts on between two words of the rig');
  t.equal(leftText(all, 4000), '0:00 left');
  t.equal(leftText(arming([camera('CAM_L')]), 0), null);
  t.match(arming([armed('CAM_L'), camera('CAM_C')]).text, /^CAM_L armed until .*; CAM_C not$/);
  t.same(
    askable([armed('CAM_L'), node('CAM_C', {}, false), node('CAM_R', { recorder: null })]),
    ['CAM_L'],
    'whom nobody hears nobody asks',
  );
  t.end();
});

t.test('Lock View: whose picture, from when', (t) => {
  const taken = (name: string, at = SAMPLE_AT) =>
    camera(name, { lock_view: { file: 'a.jpg', at, sha256: 'a'.repeat(64), width: 1280, height: 720 } });
  t.match(lockViews([camera('CAM_L')]), /whether the mast moved/);
  t.equal(lockViews([taken('CAM_L'), taken('CAM_C')]), `2 pictures, taken at ${timeText(SAMPLE_AT)}`);
  t.match(lockViews([taken('CAM_L'), camera('CAM_C')]), /^CAM_L, taken at .*; none of CAM_C$/);
  t.match(lockViews([taken('CAM_L'), taken('CAM_C', LATER)]), /CAM_L at .*, CAM_C at /);
  t.end();
});

t.test('self-tests: the findings in words', (t) => {
  t.match(selfTests([camera('CAM_L')]), { passed: false, failed: [], text: /ten seconds/ });
  t.match(selfTests([camera('CAM_L', tested()), camera('CAM_C', tested())]), {
    passed: true,
    failed: [],
    text: /^All 2 cameras passed, /,
  });
  const findings = ['the disk writes 8 Mbit/s, 36 are wanted', '3 frames were lost'];
  const mixed = selfTests([
    camera('CAM_L', tested()),
    camera('CAM_C', tested({ passed: false, findings })),
    camera('CAM_R'),
  ]);
  t.match(mixed, {
    passed: false,
    failed: [{ camera: 'CAM_C', text: 'the disk writes 8 Mbit/s, 36 are wanted; 3 frames were lost' }],
    text: /^CAM_L passed; CAM_C did not pass; CAM_R not tested, /,
  });
  t.equal(testingText(2.4, 10), 'Recording a clip: 8 s left');
  t.match(testingText(10, 10), /Reading it back/);
  t.end();
});

t.test('sound and previews', (t) => {
  const loud = { audio: { enabled: true, track: null, silent: null } };
  t.match(sound([camera('CAM_L')]), { on: false, text: /^Off/ });
  t.match(sound([camera('CAM_L', loud)]), { on: true, text: /^On/ });
  t.match(sound([camera('CAM_L', loud), camera('CAM_C')]), {
    on: true,
    text: 'On for CAM_L, off for CAM_C',
  });
  t.equal(soundIsFixed(occupied([camera('CAM_L'), camera('CAM_C')])), null);
  t.match(soundIsFixed(occupied([camera('CAM_L'), camera('CAM_C', { state: 'recording' })])), /between/);
  t.same(
    (['preparing', 'finalizing', 'armed', 'error'] as const).map((state) =>
      occupied([camera('CAM_L', { state })]),
    ),
    ['starting', 'finishing', null, null],
  );

  const busy = { preview: { state: 'yielding', reason: 'the processors are busy' } } as const;
  const off = { preview: { state: 'off', reason: 'switched off' } } as const;
  t.match(previews([camera('CAM_L')]), { on: true, yielding: [] });
  t.match(previews([camera('CAM_L', busy)]), {
    on: true,
    text: 'On; CAM_L rests for now',
    yielding: [{ camera: 'CAM_L', text: 'the processors are busy' }],
  });
  t.match(previews([camera('CAM_L', off)]), { on: false, text: /^Off/ });
  t.match(previews([camera('CAM_L', off), camera('CAM_C')]), { on: true, text: 'Off for CAM_L' });
  t.end();
});

t.test('what cameras refuse is said once, with whom', (t) => {
  const illegal = (state: string) => ({
    code: 'illegal_transition',
    message: `"arm" does not fit the state ${state}`,
    details: { state },
  });
  t.same(
    together([
      { camera: 'CAM_L', problem: illegal('recording') },
      { camera: 'CAM_C', problem: { code: 'peer_silent', message: 'no answer in 10 s' } },
      { camera: 'CAM_R', problem: illegal('recording') },
    ]),
    [
      { cameras: ['CAM_L', 'CAM_R'], text: 'is recording' },
      { cameras: ['CAM_C'], text: 'does not answer' },
    ],
  );
  t.match(together([{ camera: 'CAM_L', problem: illegal('armed') }]), [{ text: /disarm/ }]);
  const running = { code: 'illegal_transition', message: 'a self-test is running already' };
  t.match(together([{ camera: 'CAM_L', problem: running }]), [{ text: running.message }]);
  t.end();
});

t.test('a start that was refused', (t) => {
  const gate = (level: 'soft' | 'hard') => ({ gate: 'clock', level, reason: 'off' }) as const;
  const cameras = [
    { camera_id: 'CAM_L', state: 'ready', gates: [] },
    {
      camera_id: 'CAM_C',
      state: 'not_ready',
      reason: 'the clock may be off by 9.0 ms',
      gates: [gate('soft')],
    },
    { camera_id: 'CAM_R', state: 'silent', gates: [] },
  ] as const;
  const lines = [
    { camera: 'CAM_C', text: 'the clock may be off by 9.0 ms' },
    { camera: 'CAM_R', text: 'did not answer' },
  ];
  t.same(leftOut([...cameras].map((each) => ({ ...each, gates: [...each.gates] }))), lines);
  t.same(startRefusal({ code: 'gates_closed', message: 'refused', details: { cameras } }), {
    again: true,
    title: 'Press again within 10 s to record anyway',
    lines,
  });
  t.match(startRefusal({ code: 'no_camera_ready', message: 'refused', details: { cameras } }), {
    again: false,
    title: 'The rig did not start',
    lines,
  });
  t.match(startRefusal({ code: 'unreachable', message: 'no answer' }), {
    again: false,
    lines: [{ camera: null, text: 'no answer' }],
  });
  const one = (level: 'soft' | 'hard', state: 'ready' | 'not_ready' = 'not_ready') =>
    couldJoin([{ camera_id: 'CAM_C', state, gates: [gate('soft'), gate(level)] }]);
  t.same([one('soft'), one('hard'), one('soft', 'ready')], [true, false, false]);
  t.ok(AGAIN_WITHIN_MS < SECOND_START_WITHIN_MS, 'the page ends before the rig does');
  t.end();
});

t.test('what is recorded, and why it is not what was wanted', (t) => {
  const of = (requested: string, reason: string | null, change: Partial<RecorderState> = {}) =>
    notesOf(
      recorderState({
        profile: { requested, effective: 'h264 1280x720@30', reason, measured: true },
        ...change,
      }),
    );
  t.same(of('h264 1280x720@30', null), []);
  t.same(of('h265 3840x2160@30', 'x265 holds 0.25 times real time'), [
    'Wanted H.265 3840×2160, 30 fps; this is recorded, because x265 holds 0.25 times real time',
  ]);
  t.match(of('h264 1280x720@30', 'used all the same'), [/used all the same/]);
  t.same(
    of('h264 1280x720@30', null, {
      ...tested({ passed: false, findings: ['too slow'] }),
      preview: { state: 'yielding', reason: 'the processors are busy' },
    }),
    ['Self-test: too slow', 'No previews for now: the processors are busy'],
  );
  t.same(notesOf(recorderState({ preview: { state: 'off', reason: 'switched off' } })), [
    'No previews: switched off',
  ]);
  const audio = { enabled: true, track: null, silent: 'no microphone' };
  t.same(notesOf(recorderState({ audio })), ['Silence instead of sound: no microphone']);
  t.end();
});

t.test('a clock in one line, and what is behind it', (t) => {
  t.equal(clockLine(syncState()), '±0.4 ms (exchange)', 'a bound is never rounded down');
  t.equal(clockLine(syncState({}, { bound_ms: null })), 'how far off is not known (exchange)');
  t.equal(clockLine(syncState({}, { source: 'none' })), 'not measured');
  t.equal(clockLine(syncState({}, { source: 'master' })), 'the master');
  t.equal(clockLine(null), '—');
  t.same([0.002, 0.099, 0.4, 1.71].map(boundText), ['0.01 ms', '0.10 ms', '0.4 ms', '1.8 ms']);

  const facts = (change: object = {}) => Object.fromEntries(clockFacts(syncState(change)));
  t.match(facts(), {
    Offset: '−0.12 ms',
    '95 % within': '±0.05 ms',
    Confidence: '98 %',
    Master: 'CAM_C',
    'Last heard': 'now',
  });
  t.notOk('Time daemon' in facts());
  const chrony = {
    state: 'running',
    reference: '192.0.2.1',
    stratum: 3,
    offset_ms: 1,
    bound_ms: 2.5,
    frequency_ppm: 0,
    last_update: SAMPLE_AT,
    reason: null,
  };
  const steps = [{ at: SAMPLE_AT, mono_us: 1, step_ms: -3_600_000 }];
  t.match(facts({ chrony, disagreement_ms: 2.34, steps }), {
    'Time daemon': 'follows 192.0.2.1, stratum 3, ±2.5 ms',
    'Time daemon and cameras differ by': '2.34 ms',
    'Was set': 'once, last back by 60 min 0 s',
  });
  t.match(facts({ chrony: { ...chrony, state: 'failed', reason: 'it ended' } }), {
    'Time daemon': 'stopped: it ended',
  });
  t.match(facts({ chrony: { ...chrony, reference: null, stratum: 0 } }), {
    'Time daemon': 'follows nothing',
  });

  const at = (local_time: string, change: object = {}) =>
    unsetClock([node('CAM_C', { sync: syncState({ role: 'master', chrony, local_time, ...change }) })]);
  const unset = '1970-01-01T00:01:00.000000Z';
  t.same(at(unset), { camera: 'CAM_C', believes: unset });
  t.equal(at('2026-03-15T14:00:00.000000Z'), null);
  t.equal(at(unset, { chrony: null }), null, 'a clock of the operating system is not ours to set');
  t.equal(at(unset, { role: 'follower' }), null, 'a follower gets the time of its master');
  t.end();
});
