import t from 'tap';
import { HealthState } from '#contracts/health.ts';
import { NetworkState } from '#contracts/network.ts';
import { conditionFacts, rigNetwork } from '../../../ui/dashboard/condition.ts';
import { summarize } from '../../../ui/dashboard/rig-summary.ts';
import { node, SAMPLE_AT } from './rig-samples.ts';

const common = { v: 1, online: true, run_id: 'run', at: SAMPLE_AT } as const;
const health = (battery: HealthState['battery'], level = 'ok'): HealthState =>
  HealthState.parse({
    ...common,
    battery,
    throttled: null,
    faults: [],
    readings: {
      battery: { level, value: battery?.percent ?? null, unit: '%', text: 'the battery does not answer' },
      temperature: { level: 'ok', value: 52.3, unit: '°C', text: '52 °C' },
    },
  });
const network = (over: Partial<NetworkState>): NetworkState =>
  NetworkState.parse({
    ...common,
    ...{ mode: 'home', since: SAMPLE_AT, reason: 'joined', ssid: 'Club', addresses: [] },
    ...{ signal_percent: 71.4, stations: null, peers: [], conflicts: [], warnings: [] },
    ...over,
  });
const discharging = { read_at: SAMPLE_AT, percent: 83.9, volts: 7.8, charging: false, minutes_left: 95 };
const status = (change: Parameters<typeof node>[1]) => {
  const { status: found } = node('CAM_L', change);
  if (!found) throw new Error('the sample has a status');
  return found;
};

t.test('power, heat and network are told where a camera watches them', async (t) => {
  t.same(conditionFacts(status({})), [], 'nothing about what it has not');
  t.same(conditionFacts(status({ health: health(discharging), network: network({}) })), [
    ['Battery', '83 %, 1 h 35 min'],
    ['Processor', '52 °C'],
    ['Network', 'Club, 71 %'],
  ]);
  const battery = (change: object): string | undefined =>
    conditionFacts(status({ health: health({ ...discharging, ...change }) }))[0]?.[1];
  t.equal(battery({ charging: true, minutes_left: null }), '83 %, charging');
  t.equal(battery({ minutes_left: null }), '83 %', 'before it can be told how long it lasts');
  t.match(conditionFacts(status({ health: health(null, 'unknown') })), [['Battery', /does not answer/]]);
  const where = (change: Partial<NetworkState>): string | undefined =>
    conditionFacts(status({ network: network(change) }))[0]?.[1];
  t.equal(
    where({ mode: 'access-point', ssid: 'SOCCER_CAM_L', stations: 2 }),
    'its own, SOCCER_CAM_L: 2 on it',
  );
  t.equal(where({ mode: 'wired' }), 'by cable');
  t.equal(where({ mode: 'offline', ssid: null }), 'none');
  t.equal(where({ mode: 'unmanaged' }), undefined);
});

t.test('the network of the rig is named, also by another camera, and not by one that is gone', async (t) => {
  const own = network({ mode: 'access-point', ssid: 'SOCCER_CAM_C' });
  const member = node('CAM_L', { network: network({ mode: 'member', ssid: 'SOCCER_CAM_C' }) });
  t.same(rigNetwork([member, node('CAM_C', { network: own })]), { camera: 'CAM_C', ssid: 'SOCCER_CAM_C' });
  t.equal(rigNetwork([member, node('CAM_C', { network: own }, false)]), undefined);
  t.equal(rigNetwork([node('CAM_L')]), undefined);
});

t.test('a battery that is empty before the disk is full is what lasts shortest', async (t) => {
  const lasts = (nodes: ReturnType<typeof node>[]) =>
    summarize({ rig: 'demo', session: null, nodes, disagreements: [] }).lasts;
  t.match(lasts([node('CAM_L'), node('CAM_R', { health: health({ ...discharging, minutes_left: 12 }) })]), {
    minutes: 12,
    camera: 'CAM_R',
    ends: 'battery',
  });
  const charged = { ...discharging, charging: true, minutes_left: 12 };
  t.not(
    lasts([node('CAM_R', { health: health(charged) })])?.ends,
    'battery',
    'one that is charged does not end it',
  );
});
