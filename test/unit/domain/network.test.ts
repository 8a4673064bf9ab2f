import t from 'tap';
import { NetworkConfig } from '#contracts/network.ts';
import { type Link, type Radio, works } from '#domain/network/link.ts';
import {
  type NetworkHappening,
  type NetworkMachine,
  type NetworkTask,
  startMachine,
  step,
} from '#domain/network/machine.ts';
import { type NetworkPlan, networkPlan } from '#domain/network/plan.ts';

const CAMERAS = ['CAM_L', 'CAM_C', 'CAM_R'];
const KEY = 'half-time-tea';

function planOf(camera_id: string, network: object = {}): NetworkPlan {
  return networkPlan({
    camera_id,
    cameras: CAMERAS,
    sync: { master: 'CAM_C' },
    network: NetworkConfig.parse({
      manager: 'networkmanager',
      home: [{ ssid: 'CLUB', key: KEY }],
      access_point: { key: KEY },
      ...network,
    }),
  });
}

const link = (radio: Radio, wired = false): Link => ({
  wired,
  radio,
  addresses: [],
  signal_percent: null,
  stations: null,
});
const IDLE: Radio = { kind: 'idle' };

/** One machine by hand. */
function byHand(plan: NetworkPlan) {
  const state = { machine: startMachine(0), task: null as NetworkTask | null };
  return {
    state,
    at(nowSec: number, happening: NetworkHappening = { kind: 'tick' }): NetworkTask | null {
      const { machine, task } = step(state.machine, happening, nowSec, plan);
      state.machine = machine;
      state.task = task;
      return task;
    },
  };
}
const seen = (...names: string[]): NetworkHappening => ({
  kind: 'done',
  networks: names.map((ssid) => ({ ssid, signal_percent: 50 })),
});

t.test('who opens an access point, and when', (t) => {
  t.same(
    CAMERAS.map((camera) => planOf(camera).openAfterSec),
    [60, 30, 90],
    'the master first, then in order',
  );
  t.same(planOf('CAM_R').accessPoints, ['SOCCER_CAM_C', 'SOCCER_CAM_L', 'SOCCER_CAM_R']);
  const master = byHand(planOf('CAM_C'));
  t.same(master.at(0, { kind: 'link', link: link(IDLE) }), { kind: 'look' });
  t.equal(master.state.machine.mode, 'joining');
  t.equal(master.at(2, seen()), null);
  t.same(master.at(6), { kind: 'look' }, 'it goes on looking');
  t.equal(master.at(29, seen('NEIGHBOUR')), null, 'strangers are let alone');
  t.same(master.at(30), { kind: 'open' });
  t.match(master.state.machine.reason, /SOCCER_CAM_C/);
  master.at(32, { kind: 'link', link: link({ kind: 'open', ssid: 'SOCCER_CAM_C' }) });
  t.equal(master.at(32, { kind: 'done' }), null);
  t.same(master.at(89), { kind: 'look' }, 'home is looked for from there');
  t.equal(master.state.machine.mode, 'access-point');
  t.end();
});

t.test('home networks come first, by order; a wrong key is not tried again and again', (t) => {
  const left = byHand(
    planOf('CAM_L', {
      home: [
        { ssid: 'CLUB', key: KEY },
        { ssid: 'BAR', key: KEY },
      ],
    }),
  );
  left.at(0, { kind: 'link', link: link(IDLE) });
  t.same(left.at(2, seen('SOCCER_CAM_C', 'BAR', 'CLUB')), { kind: 'join', ssid: 'CLUB' });
  t.same(left.at(9, { kind: 'failed', reason: 'wrong_key' }), { kind: 'join', ssid: 'BAR' });
  t.match(left.state.machine.reason, /BAR/);
  t.same(left.at(12, { kind: 'failed', reason: 'no_address' }), { kind: 'join', ssid: 'SOCCER_CAM_C' });
  left.at(14, { kind: 'link', link: link({ kind: 'member', ssid: 'SOCCER_CAM_C' }) });
  t.equal(left.at(14, { kind: 'done' }), null);
  t.equal(left.state.machine.mode, 'member');
  t.match(left.state.machine.reason, /CLUB refuses the key/);
  t.same(left.at(63), { kind: 'look' });
  t.equal(left.at(65, seen('CLUB', 'SOCCER_CAM_C')), null);
  t.same(
    left.at(69),
    { kind: 'join', ssid: 'CLUB' },
    'a handshake that failed once may have been lost on the air',
  );
  t.equal(left.at(75, { kind: 'failed', reason: 'wrong_key' }), null);
  t.equal(left.state.machine.homeInSight, null, 'who refuses is no home in sight');
  t.same(left.at(126), { kind: 'look' });
  t.equal(left.at(127, seen('CLUB', 'SOCCER_CAM_C')), null);
  t.equal(left.at(132), null, 'the one that refused twice is let alone');
  t.equal(left.state.machine.homeInSight, null);
  t.same(left.at(187), { kind: 'look' });
  t.equal(left.at(188, seen('BAR')), null);
  t.equal(left.state.machine.homeInSight?.ssid, 'BAR', 'others are told');
  t.same(left.at(192), { kind: 'join', ssid: 'BAR' }, 'then it goes');
  t.end();
});

t.test('a home that refuses takes the access point down less and less often', (t) => {
  const plan = planOf('CAM_C');
  const open: Radio = { kind: 'open', ssid: 'SOCCER_CAM_C' };
  const master = byHand(plan);
  const joins: number[] = [];
  /** CLUB is in reach, and gives no address after 20 s. */
  const pass = (fromSec: number, untilSec: number, answers = true): void => {
    let ends: { readonly atSec: number; readonly task: NetworkTask } | undefined;
    for (let sec = fromSec; sec < untilSec; sec++) {
      let task: NetworkTask | null;
      if (ends !== undefined && sec >= ends.atSec) {
        const { kind } = ends.task;
        ends = undefined;
        task = master.at(sec, kind === 'look' ? seen('CLUB') : { kind: 'failed', reason: 'no_address' });
      } else task = master.at(sec);
      if (task?.kind === 'join') joins.push(sec);
      if (task !== null && answers) ends = { atSec: sec + (task.kind === 'look' ? 2 : 20), task };
    }
  };
  const first = master.at(0, { kind: 'link', link: link(open) });
  t.same(first, { kind: 'look' });
  master.at(1, seen('CLUB'));
  pass(2, 3600);
  const pauses = joins.slice(1).map((sec, index) => sec - (joins[index] ?? 0));
  t.ok(joins.length <= 10, `tried at ${joins.join(', ')} s`);
  t.ok(joins.length >= 5, 'and not given up');
  t.ok(Math.max(...pauses) <= 720, 'ten minutes and a look at the most');
  t.equal(master.state.machine.homeInSight, null);
  const refusals = (): number | undefined => master.state.machine.refused.CLUB?.count;
  t.ok((refusals() ?? 0) >= 5);
  let sec = 3600;
  while (master.at(sec)?.kind !== 'join') {
    sec++;
    if (master.state.task?.kind === 'look') master.at(sec, seen('CLUB'));
    if (sec > 5000) throw new Error('it is never tried again');
  }
  master.at(sec, { kind: 'link', link: link({ kind: 'member', ssid: 'CLUB' }) });
  master.at(sec, { kind: 'done' });
  t.equal(refusals(), undefined, 'once it took the node, all is forgotten');
  t.end();
});

t.test('a home that was seen long ago is in sight no more', (t) => {
  const left = byHand(planOf('CAM_L'));
  left.at(0, { kind: 'link', link: link({ kind: 'member', ssid: 'SOCCER_CAM_C' }) });
  left.at(1, seen('CLUB', 'SOCCER_CAM_C'));
  left.at(2, { kind: 'recording', on: true });
  t.equal(left.state.machine.homeInSight?.ssid, 'CLUB');
  left.at(60);
  t.equal(left.state.machine.homeInSight?.ssid, 'CLUB');
  left.at(90);
  t.equal(left.state.machine.homeInSight, null, 'nobody looks while it records');
  t.end();
});

t.test('what was given up is no refusal', (t) => {
  const master = byHand(planOf('CAM_C'));
  master.at(0, { kind: 'link', link: link({ kind: 'open', ssid: 'SOCCER_CAM_C' }) });
  master.at(1, seen('CLUB'));
  t.same(master.at(5), { kind: 'join', ssid: 'CLUB' });
  master.at(6, { kind: 'recording', on: true });
  t.equal(master.at(7, { kind: 'given-up' }), null);
  t.match(master.state.machine, { task: null, refused: {} });
  t.same(master.at(8, { kind: 'recording', on: false }), { kind: 'join', ssid: 'CLUB' });
  t.end();
});

t.test('a cable is a network; somebody else’s profile is one too', (t) => {
  const right = byHand(planOf('CAM_R'));
  t.equal(right.at(0, { kind: 'link', link: link(IDLE, true) }), null);
  t.equal(right.state.machine.mode, 'wired');
  t.equal(right.at(300), null);
  t.same(right.at(301, { kind: 'link', link: link(IDLE) }), { kind: 'look' }, 'pulled: it looks');
  right.at(302, { kind: 'link', link: link({ kind: 'member', ssid: 'HALLWAY' }) });
  right.at(302, seen());
  t.equal(right.state.machine.mode, 'home');
  right.at(303, { kind: 'link', link: link({ kind: 'absent' }) });
  t.equal(right.state.machine.mode, 'offline');
  right.at(304, { kind: 'link', link: null });
  t.match(right.state.machine, { mode: 'offline', reason: /does not answer/ });
  t.end();
});

t.test('while recording what works is not touched, and what is lost is restored', (t) => {
  const left = byHand(planOf('CAM_L'));
  left.at(0, { kind: 'link', link: link({ kind: 'member', ssid: 'SOCCER_CAM_C' }) });
  left.at(1, seen('SOCCER_CAM_C'));
  left.at(2, { kind: 'recording', on: true });
  for (let sec = 3; sec < 600; sec++) t.equal(left.at(sec, { kind: 'told', home: 'CLUB' }), null);
  t.same(left.at(600, { kind: 'link', link: link(IDLE) }), { kind: 'look' });
  t.same(
    left.at(602, seen('CLUB', 'SOCCER_CAM_C')),
    { kind: 'join', ssid: 'SOCCER_CAM_C' },
    'the network it recorded on, where the others are',
  );
  const master = byHand(planOf('CAM_C'));
  master.at(0, { kind: 'recording', on: true });
  master.at(0, { kind: 'link', link: link({ kind: 'open', ssid: 'SOCCER_CAM_C' }) });
  t.equal(master.at(100), null);
  t.same(master.at(101, { kind: 'link', link: link(IDLE) }), { kind: 'look' });
  t.same(master.at(103, seen()), { kind: 'open' }, 'its own access point is opened again at once');
  t.end();
});

t.test('two access points: the lower in order gives way, when nothing records', (t) => {
  const left = byHand(planOf('CAM_L'));
  left.at(0, { kind: 'link', link: link({ kind: 'open', ssid: 'SOCCER_CAM_L' }) });
  t.same(left.at(2, seen('SOCCER_CAM_R')), null, 'not to one that is lower');
  t.same(left.at(62), { kind: 'look' });
  t.same(left.at(64, seen('SOCCER_CAM_C')), { kind: 'join', ssid: 'SOCCER_CAM_C' });
  t.same(left.at(70, { kind: 'failed', reason: 'failed' }), null);
  left.at(71, { kind: 'recording', on: true });
  t.equal(left.at(140), null);
  t.end();
});

t.test('whoever opened the access point goes when another sees home', (t) => {
  const master = byHand(planOf('CAM_C'));
  master.at(0, { kind: 'link', link: link({ kind: 'open', ssid: 'SOCCER_CAM_C' }) });
  t.equal(master.at(2, seen()), null);
  t.same(master.at(3, { kind: 'told', home: 'CLUB' }), { kind: 'join', ssid: 'CLUB' });
  t.equal(byHand(planOf('CAM_C')).at(1, { kind: 'told', home: 'ELSEWHERE' }), null);
  t.end();
});

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let value = Math.imul(state ^ (state >>> 15), state | 1);
    value ^= value + Math.imul(value ^ (value >>> 7), value | 61);
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Three nodes and what is around them, second by second. Radios take seconds for what they do, and may fail. */
function rig(seed: number) {
  const random = generator(seed);
  const around = { home: false, recording: false };
  const nodes = CAMERAS.map((camera) => ({
    camera,
    plan: planOf(camera),
    machine: startMachine(0),
    radio: IDLE as Radio,
    wired: false,
    powered: true,
    doing: null as { readonly task: NetworkTask; readonly endsSec: number; readonly fails: boolean } | null,
  }));
  type Node = (typeof nodes)[number];
  const broken: string[] = [];
  let nowSec = 0;
  let calm = false;

  const inAir = (): string[] => [
    ...(around.home ? ['CLUB'] : []),
    ...nodes.flatMap(({ radio, powered }) => (powered && radio.kind === 'open' ? [radio.ssid] : [])),
  ];
  const happen = (node: Node, happening: NetworkHappening): void => {
    if (!node.powered) return;
    const before: NetworkMachine = node.machine;
    const { machine, task } = step(before, happening, nowSec, node.plan);
    node.machine = machine;
    if (!task) return;
    if (node.doing) broken.push(`${nowSec}: ${node.camera} has two tasks`);
    if (machine.recording && machine.link && works(machine.link) && task.kind !== 'look')
      broken.push(
        `${nowSec}: ${node.camera} would ${JSON.stringify(task)} while it records on a link that works`,
      );
    if (machine.recording && machine.link && works(machine.link))
      broken.push(`${nowSec}: ${node.camera} looks around while it records on a link that works`);
    node.doing = { task, endsSec: nowSec + 2 + Math.floor(random() * 4), fails: !calm && random() < 0.2 };
  };
  const put = (node: Node, radio: Radio): void => {
    node.radio = radio;
    happen(node, { kind: 'link', link: link(radio, node.wired) });
  };
  const second = (): void => {
    nowSec++;
    for (const node of nodes) {
      if (!node.powered) continue;
      if (node.radio.kind === 'member' && !inAir().includes(node.radio.ssid)) put(node, IDLE);
      const { doing } = node;
      if (doing && nowSec >= doing.endsSec) {
        node.doing = null;
        const { task, fails } = doing;
        const there = task.kind !== 'join' || inAir().includes(task.ssid);
        if (task.kind === 'look')
          happen(
            node,
            fails
              ? { kind: 'failed', reason: 'failed' }
              : seen(...inAir().filter((ssid) => !(node.radio.kind === 'open' && ssid === node.radio.ssid))),
          );
        else if (fails || !there) happen(node, { kind: 'failed', reason: 'failed' });
        else {
          put(
            node,
            task.kind === 'join'
              ? { kind: 'member', ssid: task.ssid }
              : { kind: 'open', ssid: node.plan.own },
          );
          happen(node, { kind: 'done' });
        }
      }
      happen(node, { kind: 'recording', on: around.recording });
      happen(node, { kind: 'tick' });
    }
  };
  return {
    nodes,
    around,
    broken,
    random,
    put,
    power(node: Node, on: boolean) {
      node.powered = on;
      node.doing = null;
      node.radio = IDLE;
      node.machine = startMachine(nowSec);
      if (on) put(node, IDLE);
    },
    cable(node: Node, plugged: boolean) {
      node.wired = plugged;
      put(node, node.radio);
    },
    calm: () => {
      calm = true;
    },
    pass(seconds: number): void {
      for (let n = 0; n < seconds; n++) second();
    },
    open: () =>
      nodes.filter(({ powered, radio }) => powered && radio.kind === 'open').map(({ camera }) => camera),
  };
}

t.test('three nodes with nothing around meet on the access point of the master', (t) => {
  const three = rig(1);
  three.calm();
  for (const node of three.nodes) three.put(node, IDLE);
  three.pass(50);
  t.same(three.open(), ['CAM_C']);
  t.ok(
    three.nodes.every(({ radio }) => radio.kind !== 'idle'),
    'all are on it after 50 s',
  );
  const master = three.nodes[1];
  if (!master) throw new Error('there is no master');
  three.power(master, false);
  three.pass(80);
  t.same(three.open(), ['CAM_L'], 'the master dies: the next takes over');
  three.power(master, true);
  three.pass(20);
  t.same(master.radio, { kind: 'member', ssid: 'SOCCER_CAM_L' }, 'one that comes back joins what is there');
  three.around.home = true;
  three.pass(90);
  t.same(three.open(), []);
  t.ok(
    three.nodes.every(({ machine }) => machine.mode === 'home'),
    'home returns: all go back',
  );
  t.end();
});

t.test('whatever happens, in any order', (t) => {
  const ROUNDS = 300;
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const three = rig(seed);
    const { random, nodes, around } = three;
    for (const node of nodes) three.put(node, IDLE);
    for (let event = 0; event < 25; event++) {
      const node = nodes[Math.floor(random() * nodes.length)];
      if (!node) throw new Error('there is no node');
      const which = random();
      if (which < 0.2) around.home = !around.home;
      else if (which < 0.45) around.recording = !around.recording;
      else if (which < 0.65) three.power(node, !node.powered);
      else if (which < 0.75 && node.powered) three.cable(node, !node.wired);
      else if (which < 0.85 && node.powered) three.put(node, IDLE);
      three.pass(Math.floor(random() * 120));
    }
    if (three.broken.length > 0) t.fail(`seed ${seed}: ${three.broken[0]}`);
    // Then nothing happens any more.
    three.calm();
    for (const node of nodes) {
      if (!node.powered) three.power(node, true);
      three.cable(node, false);
    }
    around.recording = false;
    // A home network that refused again and again is let alone for ten minutes.
    three.pass(1000);
    if (three.open().length > (around.home ? 0 : 1))
      t.fail(`seed ${seed}: access points of ${three.open().join(', ')}${around.home ? ' beside home' : ''}`);
    if (nodes.some(({ machine }) => !machine.link || !works(machine.link)))
      t.fail(`seed ${seed}: a node is on nothing: ${JSON.stringify(nodes.map(({ radio }) => radio))}`);
  }
  t.pass(`${ROUNDS} rigs`);
  t.end();
});

t.test('what cannot be is refused with its path', (t) => {
  const refused = (network: object): string | undefined =>
    NetworkConfig.safeParse(network).error?.issues[0]?.path.join('.');
  t.equal(refused({ manager: 'networkmanager' }), 'access_point.key');
  t.equal(refused({ takeover_sec: 10 }), 'takeover_sec');
  t.equal(refused({ home: [{ ssid: 'A' }, { ssid: 'A' }] }), 'home.1.ssid');
  t.equal(refused({ home: [{ ssid: 'SOCCER_CAM_C' }] }), 'home.0.ssid');
  t.equal(refused({ access_point: { address: '10.42.7.0/24' } }), 'access_point.address');
  t.equal(refused({ access_point: { address: '10.42.7.300/24' } }), 'access_point.address');
  t.equal(refused({ discovery_host: 'wlan0' }), 'discovery_host');
  t.equal(refused({ access_point: { address: '192.168.50.1/28' } }), undefined);
  t.end();
});
