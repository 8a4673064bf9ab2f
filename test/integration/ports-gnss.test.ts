import { existsSync } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { chronyConfig } from '#domain/chrony/config.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { serialReceiver } from '#ports/gnss/serial-receiver.ts';
import { startProgram } from '#ports/program/program.ts';
import { chronyd } from '#ports/time-daemon/chronyd.ts';
import { createLogger } from '#runtime/logger.ts';
import { createGnssFeed } from '#services/sync-agent/gnss.ts';
import { freeUdpPorts, until } from '../fixtures/bridges.ts';

const clock = systemClock();
const log = createLogger({ name: 'test', level: 'silent' });
const signal = new AbortController().signal;

async function folder(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'touchline-gnss-'));
  t.teardown(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** A serial line: what is written at one end arrives at the other. */
async function serialLine(
  t: Test,
): Promise<{ device: string; unplug(): Promise<void>; say(line: string): Promise<void> }> {
  const root = await folder(t);
  const [device, far] = [join(root, 'receiver'), join(root, 'sky')];
  const line = await startProgram('socat', [`pty,rawer,link=${device}`, `pty,rawer,link=${far}`]);
  t.teardown(() => line.stop());
  await until(() => existsSync(device) && existsSync(far), 'a serial line');
  const sky = await open(far, 'r+');
  t.teardown(() => sky.close());
  return {
    device,
    async unplug() {
      await line.stop();
    },
    async say(text) {
      await sky.write(`${text}\r\n`);
    },
  };
}

/** The RMC sentence of an instant. */
function rmc(epochMs: number): string {
  const [date = '', time = ''] = new Date(epochMs).toISOString().replace('Z', '').split('T');
  const [year = '', month, day] = date.split('-');
  const body = `GPRMC,${time.replaceAll(':', '')},A,,,,,,,${day}${month}${year.slice(2)},,,A`;
  const sum = [...body].reduce((xor, char) => xor ^ char.charCodeAt(0), 0);
  return `$${body}*${sum.toString(16).toUpperCase().padStart(2, '0')}`;
}

t.test('chronyd follows what a receiver on a serial line says', async (t) => {
  const root = await folder(t);
  const daemon = chronyd({
    clock,
    runtimeFolder: join(root, 'run'),
    stateFolder: join(root, 'state'),
    control: 'observe',
  });
  const [port = 0] = await freeUdpPorts(1);
  const running = await daemon.start(
    chronyConfig({
      role: 'master',
      port,
      others: [],
      upstream: [],
      mayStep: false,
      gnssSocket: daemon.files.gnssSocket,
      files: daemon.files,
    }),
  );
  t.teardown(() => running.stop());
  const { device, say, unplug } = await serialLine(t);
  const failures: unknown[] = [];
  const feed = createGnssFeed({
    clock,
    log,
    receiver: serialReceiver({ clock, device, baud: 9600 }),
    onSample: (sample) => void running.addSample(sample).catch((error: unknown) => failures.push(error)),
  });
  await feed.start(signal);
  t.teardown(() => feed.stop());
  // The receiver's clock is 7 s ahead of this machine's. It speaks ten times a second, so that nobody waits long.
  const stop = clock.every(100, 'sentences', async () => {
    await say('$GPGSV,3,1,11*00');
    await say(rmc(Date.now() + 7000));
  });
  t.teardown(stop);
  let tracking = await running.tracking();
  for (let n = 0; n < 200 && tracking.referenceName !== 'NMEA'; n++) {
    await clock.sleepUntil(clock.monoUs() + 100_000, 'chronyd to follow the receiver');
    tracking = await running.tracking();
  }
  t.equal(tracking.referenceName, 'NMEA');
  t.equal(tracking.referenceId, '4E4D4541');
  t.equal(tracking.stratum, 1);
  const offMs = tracking.offsetUs / 1000;
  t.ok(Math.abs(offMs + 7000) < 300, `the clock is seen to be 7 s behind: ${offMs} ms`);
  t.same(failures, []);
  t.equal(feed.warning, undefined);

  stop();
  await unplug();
  await until(() => feed.warning !== undefined, 'the loss of the receiver');
  t.match(feed.warning, { code: 'gnss_failed', message: /is gone/ });
});

t.test('what is no serial port is refused with its name', async (t) => {
  const receiver = serialReceiver({ clock, device: join(await folder(t), 'nothing'), baud: 9600 });
  await t.rejects(
    receiver.open(() => undefined),
    { code: 'gnss_failed', field: 'sync.chronyd.gnss_device', message: /nothing is no serial port/ },
  );
});
