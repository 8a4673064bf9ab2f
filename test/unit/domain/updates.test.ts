import t from 'tap';
import type { UpdatesRecord } from '#contracts/updates.ts';
import {
  type Around,
  blockerOf,
  NO_UPDATES,
  rollbackBlockerOf,
  step,
  type UpdateAction,
  type UpdateEvent,
} from '#domain/updates/machine.ts';
import { type PeerUpdates, rigBlocker } from '#domain/updates/rig.ts';
import { isInWindow } from '#domain/updates/window.ts';
import { memoryUpdateLocks } from '#ports/update-lock/memory-lock.ts';
import { generator } from '../../lab/machine/random.ts';

const SECOND = 1e6;
const at = '2026-12-01T02:00:00.000000Z';
const offer = (version: string, downloaded = true) => ({ version, downloaded });
type Channel = NonNullable<Around['channel']>;
const channel = (change: Partial<Channel> = {}): Channel => ({
  ...{ current: '1.0.0', previous: null, offer: null, applying: false, undone: [], refused: null },
  ...change,
});
const around = (change: Partial<Around> = {}): Around => ({
  ...{ nowUs: 100 * SECOND, at, channel: channel(), lock: null, rig: null, inWindow: true },
  ...{ policy: 'window', missing: [], healthPatienceUs: 180 * SECOND },
  ...change,
});
/** Steps one after the other; the last record, and all actions. */
const play = (
  steps: readonly (readonly [UpdateEvent | 'looked' | 'started', Partial<Around>?])[],
  from: UpdatesRecord = NO_UPDATES,
): { record: UpdatesRecord; actions: UpdateAction[] } => {
  const actions: UpdateAction[] = [];
  let record = from;
  for (const [event, change] of steps) {
    const next = step(record, typeof event === 'string' ? { kind: event } : event, around(change));
    record = next.record;
    actions.push(...next.actions);
  }
  return { record, actions };
};
const downloaded = channel({ offer: offer('1.1.0') });
const recording = { owner: 'recorder', reason: 'session Cup' };

t.test(
  'an update is downloaded, waits for lock, rig and window, is applied, looked at and kept',
  async (t) => {
    const coming = channel({ offer: offer('1.1.0', false) });
    t.match(play([['started'], ['looked', { channel: coming, lock: recording }]]), {
      record: { phase: 'downloading', version: '1.1.0', current: '1.0.0' },
      actions: [{ do: 'download', version: '1.1.0' }],
    });
    const waits = (change: Partial<Around>, owner: string): void => {
      const { record, actions } = play([['started'], ['looked', { channel: downloaded, ...change }]]);
      t.match(record, { phase: 'queued', owner, version: '1.1.0' });
      t.same(actions, []);
    };
    waits({ lock: recording }, 'recorder');
    waits({ rig: { owner: 'CAM_R', reason: 'CAM_R is not there' } }, 'CAM_R');
    waits({ inWindow: false }, 'window');
    const applying = play([
      ['started'],
      ['looked', { channel: downloaded }],
      ['looked', { channel: downloaded }],
    ]);
    t.same(applying.actions, [{ do: 'apply', version: '1.1.0' }], 'once');
    t.match(applying.record, { phase: 'applying', from: '1.0.0' });
    const runs = { channel: channel({ current: '1.1.0', previous: '1.0.0' }) };
    const verifying = play([['started', runs]], applying.record);
    t.match(verifying.record, { phase: 'verifying', current: '1.1.0', from: '1.0.0' });
    const kept = play([['looked', { ...runs, nowUs: 111 * SECOND }]], verifying.record);
    t.same(kept.actions, [{ do: 'confirm', version: '1.1.0' }]);
    t.match(kept.record, {
      phase: 'idle',
      history: [{ version: '1.1.0', from: '1.0.0', at, source: 'automatic', result: 'committed' }],
    });
  },
);

t.test('who may apply it', async (t) => {
  const never = { policy: 'never', channel: downloaded } as const;
  const waiting = play([['started'], ['looked', never]]).record;
  t.match(waiting, { phase: 'waiting', owner: 'person' });
  t.match(play([['looked', { ...never, lock: recording }]], waiting).record, { reason: 'session Cup' });
  const asked: UpdateEvent = { kind: 'asked', by: 'rest', alone: false };
  t.same(play([[asked, { ...never, inWindow: false }]], waiting).actions, [
    { do: 'apply', version: '1.1.0' },
  ]);
  const queued = play([[asked, { ...never, lock: recording }]], waiting);
  t.match(queued, { record: { phase: 'queued', asked_by: 'rest' }, actions: [] });
  t.same(
    play([['looked', never]], queued.record).actions,
    [{ do: 'apply', version: '1.1.0' }],
    'when it is over',
  );
  const rig = { owner: 'CAM_R', reason: 'CAM_R is not there' };
  t.match(play([[asked, { ...never, rig }]], waiting).record, { phase: 'queued', owner: 'CAM_R' });
  t.same(
    play(
      [
        [
          { ...asked, alone: true },
          { ...never, rig },
        ],
      ],
      waiting,
    ).actions,
    [{ do: 'apply', version: '1.1.0' }],
  );
  t.equal(blockerOf(waiting, around(), false), undefined, 'nothing is offered');
  t.same(blockerOf(waiting, around({ ...never, lock: recording }), false), recording);
  t.same(blockerOf(waiting, around({ ...never, rig }), false), rig);
  t.equal(blockerOf(waiting, around({ ...never, rig }), true), null);
  t.match(blockerOf(waiting, around({ channel: channel({ offer: offer('2', false) }) }), true), {
    owner: 'download',
  });
  t.equal(rollbackBlockerOf(waiting, around()), null);
  t.same(rollbackBlockerOf(waiting, around({ lock: recording })), recording);
});

t.test('what goes wrong', async (t) => {
  const begun = play([['started'], ['looked', { channel: downloaded }]]).record;
  t.match(
    play(
      [
        [
          { kind: 'refused', by: recording },
          { channel: downloaded, lock: recording },
        ],
      ],
      begun,
    ).record,
    {
      phase: 'queued',
      owner: 'recorder',
    },
  );
  const failed: UpdateEvent = { kind: 'failed', reason: 'no space' };
  const once = play([[failed, { channel: downloaded }]], begun);
  t.match(once, { record: { phase: 'queued', reason: /no space/, attempts: 1 }, actions: [] });
  let record = once.record;
  let nowUs = 100 * SECOND;
  for (const _attempt of [2, 3]) {
    nowUs += 61 * SECOND;
    record = play(
      [
        ['looked', { channel: downloaded, nowUs }],
        [failed, { channel: downloaded, nowUs }],
      ],
      record,
    ).record;
  }
  t.match(record, {
    phase: 'waiting',
    avoided: ['1.1.0'],
    history: [{ result: 'failed', reason: 'no space' }],
  });
  t.match(play([['started', { channel: downloaded }]], begun).record, { phase: 'queued', reason: /cut off/ });
  const late = play([['looked', { channel: downloaded, nowUs: 3000 * SECOND }]], begun).record;
  t.match(late, { phase: 'queued', problem: 'nothing has changed since' });
  t.match(play([['looked', { channel: downloaded, lock: recording }]], begun).record, { phase: 'queued' });
  t.match(play([['looked', { channel: null }]], begun).record, { phase: 'applying' }, 'silence says nothing');

  const bad = { channel: channel({ current: '1.1.0', previous: '1.0.0' }), missing: ['recorder'] };
  const verifying = play([['started', bad]], begun).record;
  t.match(play([['looked', { ...bad, nowUs: 120 * SECOND }]], verifying).record, { phase: 'verifying' });
  const back = play([['looked', { ...bad, nowUs: 300 * SECOND }]], verifying);
  t.match(back, { record: { phase: 'rolling-back' }, actions: [{ do: 'rollback' }] });
  const busy = play(
    [
      [
        { kind: 'refused', by: recording },
        { ...bad, lock: recording },
      ],
    ],
    back.record,
  );
  t.match(
    busy,
    { record: { phase: 'rolling-back', owner: 'recorder' }, actions: [] },
    'nor is a match cut for that',
  );
  t.same(play([['looked', bad]], busy.record).actions, [{ do: 'rollback' }]);
  const again = channel({ offer: offer('1.1.0') });
  const rolled = play([['started', { channel: again }]], back.record).record;
  t.match(rolled, {
    phase: 'waiting',
    current: '1.0.0',
    avoided: ['1.1.0'],
    history: [{ version: '1.1.0', from: '1.0.0', result: 'rolled_back', reason: /recorder/ }],
  });
  const asked: UpdateEvent = { kind: 'asked', by: 'rest', alone: false };
  t.same(
    play([[asked, { channel: again }]], rolled).actions,
    [{ do: 'apply', version: '1.1.0' }],
    'a person may',
  );
  const stuck = { ...bad, channel: channel({ current: '1.1.0' }), nowUs: 300 * SECOND };
  t.match(play([['looked', stuck]], verifying).record, { phase: 'idle', history: [{ result: 'failed' }] });
  const elsewhere = play(
    [['looked', { channel: channel({ current: '0.9.0' }) }]],
    play([['started']]).record,
  ).record;
  t.match(elsewhere, { phase: 'verifying', asked_by: 'elsewhere', from: '1.0.0' });
  const manual = play([[{ kind: 'rollback-asked', by: 'rest' }, bad]], { ...NO_UPDATES, current: '1.1.0' });
  t.same(manual.actions, [{ do: 'rollback' }]);
  t.match(play([['started']], manual.record).record, {
    history: [{ version: '1.1.0', source: 'rest', result: 'rolled_back', reason: 'asked for by rest' }],
  });
});

t.test('what the channel went back from, and what must not be taken', async (t) => {
  const applying = play([['started'], ['looked', { channel: downloaded }]]).record;
  t.equal(applying.phase, 'applying');
  const undone = [{ version: '1.1.0', reason: 'the broker does not answer' }];
  const back = channel({ offer: offer('1.1.0'), undone });
  const restarted = play([['started', { channel: back }]], applying);
  t.match(restarted.record, {
    phase: 'waiting',
    owner: 'person',
    avoided: ['1.1.0'],
    history: [{ version: '1.1.0', from: '1.0.0', result: 'rolled_back', reason: undone[0]?.reason }],
  });
  t.same(restarted.actions, [], 'it is not tried again');
  const forgotten = { ...NO_UPDATES, current: '1.0.0' };
  t.match(play([['looked', { channel: back }]], forgotten), { record: { phase: 'waiting' }, actions: [] });
  const cut = play([['started', { channel: downloaded }]], applying).record;
  t.match(cut, { phase: 'queued', history: [] }, 'a power cut is another thing');

  const refused = { version: '1.2.0', reason: 'signature_wrong: not signed' };
  const bad: Partial<Around> = { channel: channel({ refused }) };
  const { record, actions } = play([['started', bad], ['looked', bad], ['looked']]);
  t.match(record, { phase: 'idle', history: [{ ...refused, from: '1.0.0', result: 'failed' }] });
  t.same([record.history.length, actions], [1, []], 'told once');
});

t.test('windows', async (t) => {
  const night = { from: '22:30', to: '04:00' };
  t.same(
    [0, 239, 240, 1349, 1350].map((minute) => isInWindow(minute, night)),
    [true, true, false, false, true],
  );
  t.same(
    [119, 120, 299, 300].map((minute) => isInWindow(minute, { from: '02:00', to: '05:00' })),
    [false, true, true, false],
  );
  t.equal(isInWindow(700, { from: '03:00', to: '03:00' }), true, 'the whole day');
});

t.test('all cameras of a rig get one version or none', async (t) => {
  const updater: NonNullable<PeerUpdates['updater']> = {
    ...{ phase: 'queued', current: '1.0.0', known_as: null, version: '1.1.0', avoided: [] },
  };
  const blocked = (change: object | null, available = true): string | undefined =>
    rigBlocker(
      '1.1.0',
      new Map([['CAM_R', { available, updater: change && { ...updater, ...change } }]]),
      undefined,
      0,
    )?.reason;
  t.equal(blocked({}), undefined, 'it waits there too');
  t.equal(blocked({ phase: 'idle', current: '1.1.0', version: null }), undefined, 'it runs there');
  t.equal(blocked({ phase: 'idle', current: 'c0ffee', known_as: '1.1.0', version: null }), undefined);
  t.match(blocked({ phase: 'verifying', current: '1.1.0' }), /looking at it/);
  t.match(blocked({ phase: 'downloading' }), /does not have/);
  t.match(blocked({ version: null, phase: 'idle' }), /does not have/);
  t.match(blocked({ avoided: ['1.1.0'] }), /failed on CAM_R/);
  t.match(blocked({ phase: 'rolling-back' }), /going back/);
  t.match(blocked({}, false), /not there/);
  t.match(blocked(null), /not running/);
});

/** A node as far as updates are concerned: a recorder that dies and comes back, an installer that goes by the lock, and power that fails. */
function world(seed: number) {
  const random = generator(seed);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  const locks = memoryUpdateLocks();
  const [recorder, updater] = [locks.of('recorder'), locks.of('updater')];
  /** The Supervisor waits for the lock by itself; a release of ours is installed by the updater, which holds it meanwhile. */
  const supervised = random() < 0.5;
  let record = NO_UPDATES;
  let nowUs = 0;
  let begun = false;
  let alive = true;
  let inSession = false;
  let [current, latest] = [1, 1];
  let isDownloaded = false;
  let installing = false;
  const broken: string[] = [];
  let interrupted = 0;

  const now = (): Around =>
    around({
      nowUs,
      channel: channel({
        current: `v${current}`,
        previous: supervised ? null : `v${current - 1}`,
        offer: latest > current ? offer(`v${latest}`, isDownloaded) : null,
      }),
      lock: updater.others() ?? updater.left() ?? null,
      inWindow: policy === 'window' ? windowOpen : true,
      policy,
    });
  const policy = pick(['window', 'always'] as const);
  let windowOpen = false;

  const advance = (event: UpdateEvent): void => {
    const next = step(record, event, now());
    record = next.record;
    for (const action of next.actions) {
      if (action.do === 'download') isDownloaded = random() < 0.5 || isDownloaded;
      if (action.do !== 'apply') continue;
      if (inSession) broken.push('an update was begun in a session');
      const outcome = updater.take('applying');
      if (outcome.kind === 'taken') advance({ kind: 'refused', by: outcome.by });
      else if (supervised) {
        updater.release();
        installing = true;
      } else installing = true;
    }
  };
  const look = (): void => {
    advance({ kind: begun ? 'looked' : 'started' });
    begun = true;
  };
  const recorderComesBack = (): void => {
    if (alive) return;
    alive = true;
    recorder.adopt('a session may go on');
    if (inSession && recorder.take('session').kind !== 'held') broken.push('a session could not go on');
    if (!inSession) recorder.release();
  };
  const actions = {
    start(): void {
      if (alive && !inSession) inSession = recorder.take('session').kind === 'held';
    },
    stop(): void {
      if (!inSession) return;
      inSession = false;
      if (alive) recorder.release();
    },
    crash(): void {
      if (alive && recorder.held) locks.crash();
      alive = false;
    },
    back: recorderComesBack,
    offered(): void {
      latest++;
      isDownloaded = false;
    },
    look,
    ask: () => advance({ kind: 'asked', by: 'rest', alone: false }),
    window(): void {
      windowOpen = !windowOpen;
    },
    time(): void {
      nowUs += random() * 90 * SECOND;
      // Containers come back in seconds.
      recorderComesBack();
    },
    install(): void {
      if (!installing) return;
      // As the Supervisor: any lock file keeps it away, also that of a dead recorder.
      if (supervised && locks.mark) return;
      if (inSession) interrupted++;
      installing = false;
      current = latest;
      actions.restartUpdater();
    },
    restartUpdater(): void {
      if (updater.held) {
        locks.crash();
        if (updater.adopt('starting')) updater.release();
        installing = false;
      }
      record = JSON.parse(JSON.stringify(record));
      begun = false;
      look();
    },
    reboot(): void {
      locks.crash();
      alive = false;
      installing = false;
      nowUs = random() * 5 * SECOND;
      if (updater.adopt('starting')) updater.release();
      recorderComesBack();
      begun = false;
      look();
    },
  };
  const names = Object.keys(actions) as (keyof typeof actions)[];
  return {
    anything: () => actions[pick(names)](),
    end(): void {
      actions.stop();
      actions.back();
      windowOpen = true;
      isDownloaded = true;
      for (let look = 0; look < 50 && !(current === latest && record.phase === 'idle'); look++) {
        nowUs += 61 * SECOND;
        actions.look();
        actions.install();
      }
    },
    outcome: () => ({
      broken,
      interrupted,
      isLatest: current === latest,
      phase: record.phase,
      left: locks.mark ?? null,
    }),
    updates: () => current - 1,
  };
}

t.test(
  '10,000 random courses: no recording is interrupted, no lock stays, every update comes in the end',
  async (t) => {
    let updates = 0;
    const wrong: unknown[] = [];
    for (let seed = 1; seed <= 10_000; seed++) {
      const node = world(seed);
      for (let move = 0; move < 15; move++) node.anything();
      node.end();
      updates += node.updates();
      const outcome = node.outcome();
      const good = { broken: [], interrupted: 0, isLatest: true, phase: 'idle', left: null };
      if (JSON.stringify(outcome) !== JSON.stringify(good)) wrong.push({ seed, ...outcome });
    }
    t.same(wrong.slice(0, 3), []);
    t.ok(updates > 10_000, `${updates} updates were applied`);
  },
);
