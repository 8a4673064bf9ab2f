import t, { type Test } from 'tap';
import type { HealthState } from '#contracts/health.ts';
import type { NetworkState } from '#contracts/network.ts';
import { LedPattern } from '#contracts/signals.ts';
import type { BrokerState, HousekeeperState, RecorderState, SyncState } from '#contracts/states.ts';
import { degradedTone, type Heard } from '#domain/signals/degraded.ts';
import { frameAt, LOOKS, PRIORITY, strongest } from '#domain/signals/looks.ts';
import { picture } from '#domain/signals/picture.ts';
import { noteSamples, TONES } from '#domain/signals/tones.ts';
import type { Known, Trouble } from '#domain/signals/trouble.ts';
import { recorderState } from '../../fixtures/recorder-state.ts';

const NOW_US = 100_000_000;
const service = { v: 1, online: true, run_id: 'run', at: '2024-03-15T14:00:00.000000Z' } as const;
const sync = { ...service, warnings: [] } as unknown as SyncState;
const broker = { ...service, links: [{ name: 'central', connected: false }] } as unknown as BrokerState;
const health: HealthState = { ...service, readings: {}, battery: null, throttled: null, faults: [] };
const network = {
  ...service,
  mode: 'home',
  reason: '',
  conflicts: [],
  warnings: [],
} as unknown as NetworkState;

type Words = Known['words'];
function known(
  change: { [S in keyof Words]?: Partial<Words[S]> } = {},
  brokerIs: Partial<Known['broker']> = {},
  leftOutUs?: number,
): Known {
  const states = {
    recorder: recorderState(),
    'sync-agent': sync,
    broker,
    housekeeper: { ...service } as unknown as HousekeeperState,
    health,
    'network-manager': network,
  };
  const words = Object.fromEntries(
    Object.entries(states).map(([name, state]) => [
      name,
      { state, heardUs: NOW_US, lostUs: undefined, ...change[name as keyof Words] },
    ]),
  ) as unknown as Words;
  return { sinceUs: 0, broker: { connected: true, sinceUs: 0, ...brokerIs }, leftOutUs, words };
}
const shows = (of: Known, nowUs = NOW_US): string => picture(of, nowUs).shows;
const recorder = (change: Partial<RecorderState>) => ({ recorder: { state: recorderState(change) } });
const gate = (level: 'hard' | 'soft' | 'note', name = 'disk') => ({
  gate: name,
  level,
  reason: `${name} ${level}`,
});
const error = { code: 'camera_failed', message: 'the camera failed' } as const;
const recording = {
  state: 'recording',
  recording: {
    ...{
      session_uid: '01HS0000000000000000000000',
      session_id: 'Final',
      part: 1,
      file: 'a',
      start_at: service.at,
    },
    ...{ duration_sec: 1, frames: 30, dropped_frames: 0, size_bytes: 1, fps: 30, bitrate_mbps: 1 },
  },
} satisfies Partial<RecorderState>;

t.test('every state has its look', async (t: Test) => {
  const warm: HealthState = {
    ...health,
    readings: { temperature: { level: 'warn', value: 76, unit: '°C', text: 'the processor has 76 °C' } },
  };
  const cases: [string, Known][] = [
    ['ready', known()],
    ['preparing', known(recorder({ state: 'preparing' }))],
    ['preparing', known(recorder({ state: 'finalizing' }))],
    ['armed', known(recorder({ state: 'armed' }))],
    ['recording', known(recorder(recording))],
    ['fault', known(recorder({ state: 'error' }))],
    ['fault', known(recorder({ gates: [gate('hard')] }))],
    ['warning', known(recorder({ gates: [gate('soft')] }))],
    ['ready', known(recorder({ gates: [gate('note')] }))],
    ['updating', known(recorder({ gates: [gate('hard', 'update')] }))],
    ['fault', known(recorder({ gates: [gate('hard', 'update'), gate('hard')] }))],
    ['recording', known(recorder({ ...recording, gates: [gate('soft')] }))],
    ['recording-warning', known(recorder({ ...recording, faults: [error] }))],
    ['fault', known(recorder({ state: 'recording', recording: null, faults: [error] }))],
    ['access-point', known({ 'network-manager': { state: { ...network, mode: 'access-point' } } })],
    [
      'recording',
      known({ 'network-manager': { state: { ...network, mode: 'access-point' } }, ...recorder(recording) }),
    ],
    ['warning', known({ 'network-manager': { state: { ...network, mode: 'offline' } } })],
    ['warning', known({ health: { state: warm } })],
    ['recording-warning', known({ health: { state: warm }, ...recorder(recording) })],
    ['fault', known({ health: { state: warm }, ...recorder({ state: 'error' }) })],
    ['warning', known({ 'sync-agent': { state: { ...sync, warnings: [error] } } })],
    [
      'warning',
      known({
        broker: {
          state: { ...broker, links: [{ name: 'CAM_L', connected: false }] } as unknown as BrokerState,
        },
      }),
    ],
  ];
  for (const [wanted, of] of cases) t.equal(shows(of), wanted, picture(of, NOW_US).because);
  t.equal(
    picture(known({ health: { state: warm } }), NOW_US).because,
    'the processor has 76 °C',
    'and says why',
  );
});

t.test('what is lost shows after a grace and within five seconds', async (t: Test) => {
  const lost = { lostUs: NOW_US };
  const sec = (seconds: number): number => NOW_US + seconds * 1e6;
  for (const [name, wanted] of [
    ['recorder', 'fault'],
    ['sync-agent', 'fault'],
    ['housekeeper', 'warning'],
    ['health', 'warning'],
    ['network-manager', 'warning'],
  ] as const) {
    const others = { 'sync-agent': { heardUs: sec(10) } };
    const of = known({ ...others, [name]: { ...(name === 'sync-agent' ? others[name] : {}), ...lost } });
    t.equal(shows(of, sec(2)), 'ready', `${name}: a restart does not show`);
    t.equal(shows(of, sec(4)), wanted, name);
    t.match(picture(of, sec(4)).because, name);
  }
  const away = known({}, { connected: false, sinceUs: NOW_US });
  t.equal(shows(away, sec(2)), 'ready', 'nor does that of a broker');
  t.equal(shows(away, sec(4)), 'fault');
  const back = known({ recorder: lost, 'sync-agent': lost }, { sinceUs: sec(3) });
  t.equal(shows(back, sec(4)), 'ready', 'last wills that a broker tells when it is back');
  t.equal(shows(back, sec(6)), 'fault', 'count once it has been back');

  const silent = known();
  t.equal(shows(silent, sec(3)), 'ready');
  t.equal(shows(silent, sec(4.5)), 'fault', 'a sync-agent that hangs');
  const hanging = known({ ...recorder(recording), 'sync-agent': { heardUs: sec(10) } });
  t.equal(shows(hanging, sec(3)), 'recording');
  t.equal(shows(hanging, sec(4.5)), 'fault', 'a recorder that hangs while it records');
  const quiet = known({ 'sync-agent': { heardUs: sec(10) } });
  t.equal(shows(quiet, sec(9)), 'ready', 'one that is idle has nothing to say');
});

t.test('a node that starts is busy, then missed', async (t: Test) => {
  const never = { state: undefined };
  const of = known({ recorder: never, 'sync-agent': never, health: never }, { connected: false, sinceUs: 0 });
  t.equal(shows(of, 1e6), 'preparing');
  t.equal(shows(of, 19e6), 'preparing');
  t.equal(shows(of, 21e6), 'fault');
  const unsure = known({ ...recorder({ gates: [gate('soft', 'clock')] }), 'sync-agent': never });
  t.equal(shows(unsure, 19e6), 'preparing', 'what is not known yet is no warning');
  t.equal(shows(known(recorder({ gates: [gate('soft', 'clock')] })), 19e6), 'warning');
  t.equal(shows(known({ health: never }), 19e6), 'ready');
  t.equal(shows(known({ health: never, 'sync-agent': { heardUs: 21e6 } }), 21e6), 'warning');
});

t.test('a camera that does not record while the rig does is no green one', async (t: Test) => {
  const of = (since: number, change = {}) => known(change, {}, NOW_US - since);
  t.equal(shows(of(1e6)), 'ready', 'a start and a stop reach it a moment later than the record');
  t.equal(shows(of(3e6)), 'fault');
  t.match(picture(of(3e6), NOW_US).because, /the rig records and this camera does not/);
  t.equal(shows(of(3e6, recorder({ state: 'armed' }))), 'fault');
});

t.test(
  'a broker that freezes shows within five seconds, and stays shown until somebody speaks',
  async (t: Test) => {
    const sec = (seconds: number): number => NOW_US + seconds * 1e6;
    t.equal(shows(known(), sec(4.5)), 'fault', 'it says nothing, and its connection stands');
    const closed = known({}, { connected: false, sinceUs: sec(60) });
    t.equal(shows(closed, sec(60.1)), 'fault', 'closed at last: that is no new grace');
    const again = known({}, { connected: true, sinceUs: sec(61) });
    t.equal(shows(again, sec(62)), 'fault', 'nor is one that is back and says nothing');
    const loops = known({}, { connected: false, sinceUs: sec(63) });
    t.equal(shows(loops, sec(64)), 'fault');
    const speaks = known({ 'sync-agent': { heardUs: sec(65) } }, { connected: true, sinceUs: sec(61) });
    t.equal(shows(speaks, sec(66)), 'ready');
    const gone = known(
      { recorder: { lostUs: NOW_US }, 'sync-agent': { heardUs: sec(20) } },
      { sinceUs: sec(20) },
    );
    t.equal(shows(gone, sec(20.5)), 'fault', 'a service that is gone gets no new grace either');
  },
);

t.test('looks: each is unlike every other, and all have a place in the order', async (t: Test) => {
  t.same([...PRIORITY].sort(), [...LedPattern.options].sort());
  const drawn = LedPattern.options.map((pattern) => JSON.stringify(LOOKS[pattern].steps));
  t.equal(new Set(drawn).size, drawn.length);
  t.equal(strongest(['ready', 'warning', 'recording']), 'warning');
  t.equal(strongest([]), 'off');
  t.same(frameAt('ready', 1e6), { colour: { red: false, green: true, blue: false }, leftMs: undefined });
  const red = { red: true, green: false, blue: false };
  const dark = { red: false, green: false, blue: false };
  t.same(frameAt('fault', 0), { colour: red, leftMs: 120 });
  t.same(frameAt('fault', 130), { colour: dark, leftMs: 110 });
  t.same(frameAt('fault', 240), { colour: red, leftMs: 120 }, 'again and again');
  for (const { steps } of Object.values(LOOKS))
    for (const { ms } of steps) t.ok(steps.length === 1 || ms >= 100, 'the eye can follow');
});

t.test('a trouble is heard once, the worst first', async (t: Test) => {
  const trouble = (key: string, level: Trouble['level'] = 'warning'): Trouble => ({
    key,
    level,
    because: key,
  });
  const quiet = { repeatSec: 0, recordingSound: false };
  let heard: Heard = {};
  let nowUs = 0;
  const step = (ms: number, troubles: Trouble[], rule = quiet) => {
    nowUs += ms * 1000;
    const next = degradedTone(heard, troubles, nowUs, rule);
    heard = next.heard;
    return next.tone;
  };
  const [hot, full] = [trouble('hot'), trouble('full', 'fault')];
  t.equal(step(0, [hot]), undefined, 'not what is over at once');
  t.equal(step(1900, [hot]), undefined);
  t.equal(step(200, [hot]), 'warning');
  t.equal(step(60_000, [hot]), undefined, 'once');
  t.equal(step(0, [hot, full]), undefined);
  t.equal(step(2500, [hot, full]), 'fault');
  step(100, [full]);
  step(5000, [hot, full]);
  t.equal(step(5000, [hot, full]), undefined, 'what flaps is not heard again');
  step(100, [full]);
  step(61_000, [full]);
  step(100, [hot, full]);
  t.equal(step(2500, [hot, full]), 'warning', 'what comes back later is');

  const repeating = { repeatSec: 30, recordingSound: false };
  t.equal(step(29_000, [hot], repeating), undefined);
  t.equal(step(2000, [hot], repeating), 'warning', 'again where that is wanted');
  t.equal(step(40_000, [hot], { ...repeating, recordingSound: true }), undefined, 'never into a film');
  t.equal(step(100, [hot], repeating), 'warning');
  heard = {};
  step(0, [hot], { ...quiet, recordingSound: true });
  t.equal(step(2500, [hot], { ...quiet, recordingSound: true }), 'warning', 'but a new one is heard');
});

t.test('tones: short where they interrupt, and sound where they should', async (t: Test) => {
  const ms = (tone: keyof typeof TONES): number => TONES[tone].reduce((sum, note) => sum + note.ms, 0);
  t.ok(ms('warning') <= 200);
  t.ok(ms('stop') >= 800, 'long enough to let go in surprise');
  t.equal(new Set(Object.values(TONES).map((notes) => JSON.stringify(notes))).size, 5);
  const samples = noteSamples(TONES.start, 48_000);
  t.equal(samples.length, (ms('start') * 48_000) / 1000);
  t.ok(samples.every((value) => Math.abs(value) <= 1));
  t.ok(samples.subarray(0, 5760).some((value) => Math.abs(value) > 0.7));
  t.ok(
    samples.subarray(5760, 5760 + 2880).every((value) => value === 0),
    'a rest is silent',
  );
});
