import t, { type Test } from 'tap';
import type { RigSession } from '#contracts/session.ts';
import {
  type Button,
  type ButtonRow,
  DEBOUNCE_US,
  type Done,
  edge,
  foundButton,
  nextLookUs,
  passTime,
} from '#domain/signals/button.ts';
import { buttonRow } from '#domain/signals/button-row.ts';

/** A button with somebody who uses it and a timer that looks when it is due. */
function hand(row: ButtonRow = 'idle', pressed = false) {
  let nowUs = 1_000_000;
  let button: Button = foundButton(pressed, nowUs);
  const done: (Done & { atUs: number })[] = [];
  const take = (moved: { button: Button; done: readonly Done[] }, atUs: number): void => {
    button = moved.button;
    for (const each of moved.done) done.push({ ...each, atUs });
  };
  const on = {
    row,
    done,
    get button() {
      return button;
    },
    get nowUs() {
      return nowUs;
    },
    wait(ms: number): void {
      const endUs = nowUs + ms * 1000;
      for (;;) {
        const dueUs = nextLookUs(button);
        if (dueUs === undefined || dueUs > endUs) break;
        nowUs = Math.max(nowUs, dueUs);
        take(passTime(button, nowUs, on.row), nowUs);
      }
      nowUs = endUs;
    },
    edge(down: boolean): void {
      take(edge(button, down, nowUs, on.row), nowUs);
    },
    hold(ms: number): void {
      on.edge(true);
      on.wait(ms);
      on.edge(false);
      on.wait(100);
    },
    actions: () => done.map(({ action }) => action),
  };
  return on;
}

t.test('what a press and a hold do, by what goes on when the button goes down', async (t: Test) => {
  const table: [ButtonRow, holdMs: number, actions: string[]][] = [
    ['idle', 60, ['start']],
    ['idle', 2999, ['start']],
    ['idle', 3000, ['lock-view']],
    ['idle', 7999, ['lock-view']],
    ['idle', 8000, ['shutdown']],
    ['idle', 60_000, ['shutdown']],
    ['recording', 60, ['moment']],
    ['recording', 1999, ['moment']],
    ['recording', 2000, ['stop']],
    ['recording', 7999, ['stop']],
    ['recording', 60_000, ['stop', 'refuse-shutdown']],
    ['preparing', 60, []],
    ['preparing', 2500, ['stop']],
    ['finalizing', 60, []],
    ['finalizing', 60_000, []],
  ];
  for (const [row, holdMs, actions] of table) {
    const user = hand(row);
    user.hold(holdMs);
    t.same(user.actions(), actions, `${row}, ${holdMs} ms`);
  }
});

t.test('a press acts when the button comes up, stop and shutdown at their threshold', async (t: Test) => {
  const recording = hand('recording');
  recording.edge(true);
  recording.wait(1999);
  t.same(recording.actions(), []);
  recording.wait(2);
  t.same(recording.actions(), ['stop'], 'while it is still down');
  t.equal(recording.done[0]?.atUs, 1_000_000 + 2_000_000);

  const idle = hand('idle');
  idle.edge(true);
  idle.wait(5000);
  t.same(idle.actions(), [], 'Lock View waits: it may become a shutdown');
  idle.wait(3000);
  t.same(idle.actions(), ['shutdown']);

  const tap = hand('idle');
  tap.edge(true);
  tap.wait(500);
  t.same(tap.actions(), []);
  tap.edge(false);
  tap.wait(DEBOUNCE_US / 1000);
  t.match(tap.done, [{ action: 'start', pressedUs: 1_000_000 }], 'and knows when it went down');
});

t.test('bounces are one press, and noise is none', async (t: Test) => {
  const user = hand('recording');
  for (const ms of [1, 2, 5, 9, 3]) {
    user.edge(true);
    user.wait(ms);
    user.edge(false);
    user.wait(1);
  }
  user.edge(true);
  user.wait(200);
  for (let count = 0; count < 6; count++) {
    user.edge(count % 2 === 1);
    user.wait(4);
  }
  user.edge(false);
  user.wait(500);
  t.same(user.actions(), ['moment']);

  const noise = hand('recording');
  noise.hold(DEBOUNCE_US / 1000 - 1);
  t.same(noise.actions(), [], 'shorter than any finger');

  const slipping = hand('recording');
  slipping.edge(true);
  slipping.wait(1000);
  slipping.edge(false);
  slipping.wait(10);
  slipping.edge(true);
  slipping.wait(1000);
  t.same(slipping.actions(), ['stop'], 'a contact that fails for a moment does not begin anew');

  const letGo = hand('recording');
  letGo.edge(true);
  letGo.wait(1990);
  letGo.edge(false);
  letGo.wait(500);
  t.same(letGo.actions(), ['moment'], 'let go just before the threshold, known only after it');
});

t.test('a button that is down already does nothing until it was up', async (t: Test) => {
  const stuck = hand('idle', true);
  stuck.wait(60_000);
  stuck.edge(false);
  stuck.wait(100);
  t.same(stuck.actions(), []);
  stuck.hold(100);
  t.same(stuck.actions(), ['start'], 'then it works');
});

t.test('what went on when it went down decides', async (t: Test) => {
  const user = hand('recording');
  user.edge(true);
  user.wait(100);
  user.row = 'idle';
  user.wait(60_000);
  user.edge(false);
  user.wait(100);
  t.same(user.actions(), ['stop', 'refuse-shutdown'], 'a hold that stopped a recording shuts nothing down');
});

t.test('edges that are told late mean the same', async (t: Test) => {
  let button = foundButton(false, 0);
  const done: Done[] = [];
  for (const [pressed, atUs] of [
    [true, 1_000_000],
    [false, 3_500_000],
    [true, 9_000_000],
    [false, 9_200_000],
  ] as const) {
    const moved = edge(button, pressed, atUs, 'recording');
    button = moved.button;
    done.push(...moved.done);
  }
  const moved = passTime(button, 20_000_000, 'recording');
  t.same(
    [...done, ...moved.done].map(({ action }) => action),
    ['stop', 'moment'],
    'as if somebody had looked all the time',
  );
});

t.test('whatever a hand does, a recording ends only after two seconds without a gap', async (t: Test) => {
  let seed = 7;
  const random = (): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fffffff;
    return seed / 0x7fffffff;
  };
  let actions = 0;
  for (let round = 0; round < 400; round++) {
    const row =
      (['idle', 'recording', 'preparing', 'finalizing'] as const)[Math.floor(random() * 4)] ?? 'idle';
    const user = hand(row, random() < 0.1);
    const edges: { down: boolean; atUs: number }[] = [{ down: user.button.pressed, atUs: user.nowUs }];
    let down = user.button.pressed;
    for (let step = 0; step < 12; step++) {
      if (random() < 0.8) {
        down = !down;
        user.edge(down);
        edges.push({ down, atUs: user.nowUs });
      }
      user.wait(Math.round(random() < 0.5 ? random() * 40 : random() * 4000));
    }
    user.edge(false);
    user.wait(1000);
    actions += user.done.length;
    for (const { action, atUs, pressedUs } of user.done) {
      const goneDown = edges.some((each) => each.down && each.atUs === pressedUs);
      if (!goneDown) t.fail(`${action} of a press that never began`);
      const ups = edges.filter(({ down: is, atUs: at }, index) => {
        const next = edges[index + 1]?.atUs ?? user.nowUs;
        return !is && at > pressedUs && at < atUs && next - at >= DEBOUNCE_US;
      });
      const heldUs = atUs - pressedUs;
      if (action === 'stop' && (heldUs < 2_000_000 || ups.length > 0)) t.fail(`stop after ${heldUs} us`);
      if (action === 'shutdown' && (heldUs < 8_000_000 || row !== 'idle'))
        t.fail(`shutdown after ${heldUs} us`);
      if (row === 'finalizing') t.fail(`${action} while the files are finished`);
    }
    const byPress = new Map<number, number>();
    for (const { action, pressedUs } of user.done)
      if (action !== 'refuse-shutdown') byPress.set(pressedUs, (byPress.get(pressedUs) ?? 0) + 1);
    if ([...byPress.values()].some((count) => count > 1)) t.fail('one press did two things');
  }
  t.ok(actions > 400, `${actions} actions were looked at`);
});

t.test('the row: this recorder first, then the record of the rig', async (t: Test) => {
  const session: RigSession = {
    v: 1,
    session_uid: '01HS0000000000000000000000',
    session_id: 'Final',
    revision: 1,
    state: 'recording',
    conductor: 'CAM_C',
    start_at: '2024-03-15T14:00:00.000000Z',
    stop_at: null,
    max_duration_sec: 3600,
    cameras: [],
    updated_at: '2024-03-15T14:00:00.000000Z',
  };
  const startUs = 1_710_511_200_000_000;
  t.equal(buttonRow('idle', undefined, startUs), 'idle');
  t.equal(buttonRow('armed', undefined, startUs), 'idle');
  t.equal(buttonRow('error', undefined, startUs), 'idle');
  t.equal(buttonRow('finalizing', session, startUs), 'finalizing');
  t.equal(buttonRow('idle', session, startUs + 1e6), 'recording', 'the others record');
  t.equal(buttonRow('recording', { ...session, state: 'stopped' }, startUs), 'recording');
  t.equal(buttonRow(undefined, { ...session, state: 'stopped' }, startUs), 'idle');
  t.equal(buttonRow('idle', session, startUs + 3601e6), 'idle', 'a record of yesterday');
});
