import type { TimeDaemon } from './time-daemon.ts';

/** What the suite needs of a test runner. */
interface Assertions {
  equal(found: unknown, wanted: unknown, message: string): unknown;
  match(found: unknown, wanted: object, message: string): unknown;
  rejects(
    found: Promise<unknown>,
    wanted: { code: string; field?: string; message?: RegExp },
    message: string,
  ): unknown;
}

/** A daemon, a configuration that serves its clock as it is, and the way to kill what runs. */
export interface DaemonLab {
  readonly daemon: TimeDaemon;
  readonly config: string;
  kill(): Promise<void>;
}

/** Every time daemon, real or simulated, behaves like this. None of it sets a clock. */
export async function daemonConformance(t: Assertions, { daemon, config, kill }: DaemonLab): Promise<void> {
  await t.rejects(
    daemon.start('bogus directive\n'),
    { code: 'time_daemon_failed', message: /Invalid directive/ },
    'a configuration it does not take is refused with its words',
  );
  const first = await daemon.start(config);
  t.match(
    await first.tracking(),
    { stratum: 8, referenceId: '7F7F0101', referenceName: null, offsetUs: 0, synchronised: true },
    'it answers as soon as it has started',
  );
  await first.stop();
  t.equal(await first.ended, undefined, 'stopped is not ended by itself');
  await t.rejects(first.tracking(), { code: 'time_daemon_failed' }, 'one that is gone does not answer');

  const second = await daemon.start(config);
  await kill();
  t.match(await second.ended, /./, 'one that ends by itself says how');
  const third = await daemon.start(config);
  t.match(await third.tracking(), { stratum: 8 }, 'and is started again');
  await third.stop();
}
