import t from 'tap';
import { type ChronyPlan, chronyConfig } from '#domain/chrony/config.ts';
import { followsReference, parseTracking, trackingBoundUs } from '#domain/chrony/tracking.ts';
import { DRIFT_PPM, SLEW_PPM } from '#domain/sync/estimator.ts';

const plan: ChronyPlan = {
  role: 'follower',
  port: 123,
  others: ['10.0.0.1', '10.0.0.3'],
  upstream: [],
  mayStep: true,
  files: {
    commandSocket: '/run/touchline/chronyd/chronyd.sock',
    pidFile: '/run/touchline/chronyd/chronyd.pid',
    driftFile: '/var/lib/touchline/chronyd/chrony.drift',
  },
};
const lines = (change: Partial<ChronyPlan>): string[] => chronyConfig({ ...plan, ...change }).split('\n');

t.test('a follower polls all others, and takes over when nobody is better', async (t) => {
  t.same(lines({}), [
    '# Written by Touchline at every start.',
    'port 123',
    'cmdport 0',
    'bindcmdaddress /run/touchline/chronyd/chronyd.sock',
    'pidfile /run/touchline/chronyd/chronyd.pid',
    'driftfile /var/lib/touchline/chronyd/chrony.drift',
    'makestep 0.1 3',
    `maxdrift ${DRIFT_PPM}`,
    `maxslewrate ${SLEW_PPM}`,
    'local stratum 10 orphan distance 0.1',
    'server 10.0.0.1 port 123 minpoll 0 maxpoll 2 xleave iburst',
    'server 10.0.0.3 port 123 minpoll 0 maxpoll 2 xleave iburst',
    'allow 10.0.0.1',
    'allow 10.0.0.3',
    '',
  ]);
});

t.test('the master serves its own clock, or what it follows outside of the rig', async (t) => {
  const master = lines({ role: 'master', upstream: ['ntp.example.org'] });
  t.ok(master.includes('local stratum 8'));
  t.same(
    master.filter((line) => line.startsWith('server')),
    ['server ntp.example.org iburst'],
  );
  t.same(
    master.filter((line) => line.startsWith('allow')),
    ['allow 10.0.0.1', 'allow 10.0.0.3'],
    'and answers the rig alone',
  );
  t.equal(lines({ role: 'master', listen: '127.0.0.1' })[2], 'bindaddress 127.0.0.1');
  t.notOk(
    lines({ mayStep: false }).some((line) => line.startsWith('makestep')),
    'while the rig records nothing may step',
  );
});

t.test('a receiver names the second, its pulse says when it begins', async (t) => {
  const refclocks = (change: Partial<ChronyPlan>): string[] =>
    lines({ role: 'master', ...change }).filter((line) => line.startsWith('refclock'));
  t.same(refclocks({}), []);
  t.same(refclocks({ gnssSocket: '/run/gnss.sock' }), [
    'refclock SOCK /run/gnss.sock refid NMEA poll 2 delay 0.2',
  ]);
  t.same(refclocks({ gnssSocket: '/run/gnss.sock', ppsDevice: '/dev/pps0' }), [
    'refclock SOCK /run/gnss.sock refid NMEA poll 2 delay 0.2 noselect',
    'refclock PPS /dev/pps0 refid PPS poll 2 lock NMEA',
  ]);
});

const FOLLOWS =
  '0A000001,10.0.0.1,9,1795247469.051094864,0.000001101,0.000000013,0.000003260,-0.158,-0.000,0.717,0.000002166,0.000003837,1.0,Normal';
const LOCAL =
  '7F7F0101,,8,1795247463.790712859,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,0.000000000,0.000000000,0.0,Normal';
const NOTHING =
  '00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,-19.514,0.000,0.000,1.000000000,1.000000000,0.0,Not synchronised';

t.test('what chronyc says about the clock', async (t) => {
  const follows = parseTracking(`${FOLLOWS}\n`);
  t.same(follows, {
    referenceId: '0A000001',
    referenceName: '10.0.0.1',
    stratum: 9,
    referenceTimeUs: 1_795_247_469_051_095,
    offsetUs: -1.101,
    frequencyPpm: -0.158,
    rootDelayUs: 2.166,
    rootDispersionUs: 3.837,
    synchronised: true,
  });
  t.equal(trackingBoundUs(follows), 1.101 + 3.837 + 2.166 / 2);
  t.equal(followsReference(follows), true);
  t.equal(followsReference(parseTracking(LOCAL)), false, 'its own clock is no reference');
  t.match(parseTracking(NOTHING), { stratum: 0, referenceTimeUs: null, synchronised: false });
  t.equal(followsReference(parseTracking(NOTHING)), false);
});

t.test('garbage from chronyc is an error that says what was wrong', async (t) => {
  const replaced = (index: number, value: string): string =>
    FOLLOWS.split(',')
      .map((field, n) => (n === index ? value : field))
      .join(',');
  for (const [text, message] of [
    ['', /14 fields were expected, not 1/],
    ['506 Cannot talk to daemon', /"506 Cannot talk to daemon"/],
    [`${FOLLOWS},more`, /not 15/],
    [`${FOLLOWS}\n${FOLLOWS}`, /14 fields/],
    [replaced(0, '7f7f0101'), /the reference is "7f7f0101"/],
    [replaced(2, '17'), /the stratum is 17/],
    [replaced(2, '8.5'), /the stratum is 8\.5/],
    [replaced(4, ''), /the correction is ""/],
    [replaced(4, 'nan'), /the correction is "nan"/],
    [replaced(4, '1e999'), /the correction/],
    [replaced(7, '0x10'), /the frequency/],
    [replaced(11, '-1.0'), /the root dispersion is negative/],
    [replaced(13, 'normal'), /the leap status is "normal"/],
    [replaced(3, '2026-11-21'), /the reference time/],
  ] as const)
    t.throws(() => parseTracking(text), { code: 'time_daemon_failed', message }, text);
});
