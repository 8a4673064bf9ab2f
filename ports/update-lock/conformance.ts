import type { UpdateLock } from './update-lock.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  same(found: unknown, wanted: unknown, message: string): unknown;
}

/** Two services of one node, and the recorder's death without a word. */
export interface LockLab {
  readonly recorder: UpdateLock;
  readonly updater: UpdateLock;
  /** The recorder again, as a new process. */
  crashRecorder(): Promise<UpdateLock>;
}

/** Every update lock, real or simulated, behaves like this. */
export async function updateLockConformance(t: Assertions, lab: LockLab): Promise<void> {
  const { recorder, updater } = lab;
  const armed = { owner: 'recorder', reason: 'armed' };
  t.equal(recorder.adopt('x'), false, 'nothing was left');
  t.equal(updater.others(), undefined, 'nobody holds it');
  t.same(recorder.take('armed'), { kind: 'held' }, 'the first gets it');
  t.same(recorder.held, armed, 'and knows');
  t.same(updater.others(), armed, 'others see who and why');
  t.same(updater.take('applying'), { kind: 'taken', by: armed }, 'and do not get it');
  t.equal(updater.held, undefined, 'not even in part');
  t.equal(recorder.others(), undefined, 'the holder is nobody else');

  t.same(recorder.take('session Cup'), { kind: 'held' }, 'held, it is told anew');
  t.equal(updater.others()?.reason, 'session Cup', 'with the new reason');
  updater.release();
  t.equal(updater.others()?.owner, 'recorder', 'nobody else releases it');
  recorder.release();
  recorder.release();
  t.equal(recorder.held, undefined, 'released');
  t.equal(updater.others(), undefined, 'for all');
  t.same(updater.take('applying 1.2.3'), { kind: 'held' }, 'the next gets it');
  t.same(recorder.others(), { owner: 'updater', reason: 'applying 1.2.3' }, 'and the recorder sees it');
  updater.release();

  recorder.take('session Cup');
  const next = await lab.crashRecorder();
  t.equal(updater.others(), undefined, 'the lock of a dead process is no lock');
  t.same(updater.left(), { owner: 'recorder', reason: 'session Cup' }, 'but a mark');
  t.equal(next.left(), undefined, 'of another, not of itself');
  t.equal(updater.adopt('x'), false, 'and is its own to take over');
  t.equal(next.adopt('its session may go on'), true, 'by the next of its kind');
  t.equal(updater.others()?.reason, 'its session may go on', 'who holds it then');
  t.equal(updater.left(), undefined, 'alive again');
  next.release();
  t.equal(next.adopt('x'), false, 'nothing is left after that');
}
