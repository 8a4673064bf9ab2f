import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { TimeAnswer, TimeQuestion } from '#contracts/time-exchange.ts';
import { systemClock } from '#ports/clock/system-clock.ts';
import { chronyd } from '#ports/time-daemon/chronyd.ts';
import { udpExchange } from '#ports/time-exchange/udp-exchange.ts';
import { watchRigClock } from '#services/recorder/rig-clock.ts';
import { freeUdpPorts, until } from '../fixtures/bridges.ts';
import { CAMERAS, type Camera, type SyncRig, syncRig } from '../fixtures/sync-rig.ts';

const clock = systemClock();
const host = '127.0.0.1';

/** Three sync-agents that exchange time over UDP, as on three machines. */
async function rigOnUdp(
  t: Test,
  options: Pick<Parameters<typeof syncRig>[0], 'deps' | 'settings' | 'sameWall'> & {
    hosts?: Record<Camera, string>;
  } = {},
): Promise<SyncRig & { addresses: Record<Camera, { host: string; port: number }> }> {
  const ports = await freeUdpPorts(3);
  const addresses = {} as Record<Camera, { host: string; port: number }>;
  for (const [n, camera] of CAMERAS.entries())
    addresses[camera] = { host: options.hosts?.[camera] ?? host, port: ports[n] ?? 0 };
  const rig = await syncRig({
    clock,
    addresses,
    exchange: (camera, own) => udpExchange({ clock: own, listen: addresses[camera] }),
    ...options,
  });
  t.teardown(() => rig.stop());
  return { ...rig, addresses };
}

const follows = (rig: SyncRig, camera: Camera): boolean =>
  rig.nodes[camera].state()?.clock.source === 'exchange';
/** Rig time of a follower minus that of the master, microseconds, and what both say it may be. */
function off(rig: SyncRig, camera: Camera): { us: number; boundUs: number } {
  const before = rig.nodes.CAM_C.rigTimeUs();
  const theirs = rig.nodes[camera].rigTimeUs();
  const after = rig.nodes.CAM_C.rigTimeUs();
  const us = Math.max(0, before - theirs, theirs - after);
  return { us, boundUs: 1000 * (rig.nodes[camera].boundMs() + rig.nodes.CAM_C.boundMs()) + 300 };
}

t.test('over UDP every node knows the time of the master within what it claims', async (t) => {
  const rig = await rigOnUdp(t);
  for (const camera of ['CAM_L', 'CAM_R'] as const) {
    await until(() => follows(rig, camera), `the time of ${camera}`);
    const { us, boundUs } = off(rig, camera);
    t.ok(us <= boundUs, `${camera}: off by ${us} us, ${boundUs} us claimed`);
    t.ok(boundUs < 50_000, 'which is worth something');
    const wallOffMs = Math.abs(rig.nodes[camera].state()?.clock.offset_ms ?? 0);
    t.ok(Math.abs(wallOffMs - 100_000) < 50, 'although its wall clock is minutes off');
  }

  // What the recorder makes of it.
  const { clock: own } = rig.nodes.CAM_L;
  const recorder = watchRigClock({ bus: rig.bus, clock: own, cameraId: 'CAM_L' });
  await until(() => recorder.reading().source === 'exchange', 'the state of sync-agent');
  const monoUs = own.monoUs();
  const masterUs = recorder.masterOfMono(monoUs) ?? 0;
  t.ok(Math.abs(recorder.monoOfMaster(masterUs) - monoUs) <= 1, 'there and back');
  t.ok(Math.abs(masterUs - (rig.nodes.CAM_C.rigTimeUs() - (own.monoUs() - monoUs))) < 50_000);
  await rig.nodes.CAM_L.stop();
  const boundThenMs = recorder.reading().bound_ms ?? 0;
  own.stepWall(5000);
  t.ok(Math.abs((recorder.masterOfMono(monoUs) ?? 0) - masterUs) < 50_000, 'a step does not move it');
  await until(() => (recorder.reading().bound_ms ?? 0) > boundThenMs, 'the bound to grow without sync-agent');
  t.equal(recorder.reading().source, 'exchange', 'the last mapping stays');
  t.ok(
    Math.abs((recorder.reading().offset_ms ?? 0) + 95_000) < 60,
    'the offset is that of the wall clock now',
  );
  recorder.stop();
});

/** Takes the place of a node that is gone, and answers as it likes. */
async function impostor(
  t: Test,
  port: number,
  hear: (question: TimeQuestion, from: number, socket: Socket) => void,
): Promise<Socket> {
  const socket = createSocket('udp4');
  t.teardown(() => void socket.close());
  socket.on('message', (bytes, from) => hear(JSON.parse(bytes.toString()), from.port, socket));
  socket.bind(port, host);
  await once(socket, 'listening');
  return socket;
}

t.test('garbage, strangers, forged and repeated answers are dropped and counted', async (t) => {
  const rig = await rigOnUdp(t);
  await until(() => follows(rig, 'CAM_L') && follows(rig, 'CAM_R'), 'the time of the followers');
  const dropped = (): number => rig.nodes.CAM_L.state()?.exchange_dropped ?? 0;
  t.equal(dropped(), 0);

  await rig.nodes.CAM_R.stop();
  let told = 0;
  const stranger = createSocket('udp4');
  t.teardown(() => void stranger.close());
  stranger.on('message', () => told++);
  let answered = 0;
  let lies = true;
  const ours = await impostor(t, rig.addresses.CAM_R.port, (question, from, socket) => {
    if (question.kind !== 'question' || question.from !== 'CAM_L' || !lies) return;
    answered++;
    const say = (change: object, by = socket, then?: () => void): void => {
      const answer: TimeAnswer = {
        ...question,
        kind: 'answer',
        from: 'CAM_R',
        to: 'CAM_L',
        boot_id: 'impostor',
        t2_us: 1_000_000,
        t3_us: 1_000_000,
        bound_us: 0,
        line: 'impostor',
      };
      by.send(JSON.stringify({ ...answer, ...change }), from, host, then);
    };
    // The right words from the wrong address come first.
    say({}, stranger, () => lie(say));
  });
  const lie = (say: (change: object) => void): void => {
    say({ nonce: '0'.repeat(32) });
    say({ rig: 'other' });
    say({ to: 'CAM_C' });
    say({ from: 'CAM_C' });
    say({ v: 2 });
    say({ t2_us: -1 });
    say({ bound_us: null });
    // Answered before it was received: it is taken for none, and the nonce is used up.
    say({ t3_us: 999_000 });
    say({});
  };
  const port = rig.addresses.CAM_L.port;
  for (const text of ['', 'null', '{', '[]', '\u0000\u0001', '{"v":1}']) ours.send(text, port, host);
  const LIES = 10;
  await until(() => answered > 0 && dropped() >= 6 + LIES, 'the count of what was dropped');
  lies = false;
  await until(() => dropped() === 6 + LIES * answered, 'every one of them to be counted');
  const row = rig.nodes.CAM_L.state()?.exchange.find(({ camera_id }) => camera_id === 'CAM_R');
  t.ok(row?.offset_ms === null || Math.abs(row?.offset_ms ?? 0) < 300_000, 'nothing of it was believed');
  const { us, boundUs } = off(rig, 'CAM_L');
  t.ok(us <= boundUs);

  // A node that is not of this rig gets no answer, however it asks.
  const before = dropped();
  const question = { v: 1, kind: 'question', rig: 'test', boot_id: 'x', nonce: 'a'.repeat(32), to: 'CAM_L' };
  for (const from of ['CAM_R', 'CAM_X']) stranger.send(JSON.stringify({ ...question, from }), port, host);
  await until(() => dropped() === before + 2, 'the stranger to be noticed');
  t.equal(told, 0);
});

t.test('a port that is taken is a warning, and the exchange begins when it is free', async (t) => {
  const [port = 0] = await freeUdpPorts(1);
  const taken = createSocket('udp4').bind(port, host);
  await once(taken, 'listening');
  const rig = await syncRig({
    clock,
    addresses: { CAM_L: { host, port }, CAM_C: { host, port: port + 1 }, CAM_R: { host, port: port + 2 } },
    exchange: (_camera, own) => udpExchange({ clock: own, listen: { host, port } }),
    settings: () => ({ cameras: ['CAM_L', 'CAM_C', 'CAM_R'] }),
  });
  t.teardown(() => rig.stop());
  const warnings = (): unknown => rig.nodes.CAM_C.state()?.warnings;
  await until(() => Array.isArray(warnings()) && (warnings() as unknown[]).length > 0, 'the warning');
  t.match(warnings(), [{ code: 'configuration_invalid', field: 'sync.exchange_port' }]);
  await until(
    () => rig.nodes.CAM_C.state()?.clock.source === 'master',
    'the master to have its time all the same',
  );
  await new Promise<void>((resolve) => void taken.close(resolve));
  const free = (): boolean => CAMERAS.some((camera) => rig.nodes[camera].state()?.warnings.length === 0);
  await until(free, 'one of them to have the port');
});

/** chronyd of each node, on addresses of its own, which measures and never touches the clock of this machine. */
async function withChronyd(t: Test, client?: string) {
  const root = await mkdtemp(join(tmpdir(), 'touchline-sync-'));
  const [port = 0] = await freeUdpPorts(1);
  const hosts = { CAM_L: '127.0.0.1', CAM_C: '127.0.0.2', CAM_R: '127.0.0.3' };
  t.teardown(() => rm(root, { recursive: true, force: true }));
  const rig = await rigOnUdp(t, {
    hosts,
    sameWall: true,
    settings: (camera) => ({
      sync: { clock: 'chronyd', exchange_host: hosts[camera], chronyd: { port } },
      state_dir: join(root, camera),
    }),
    deps: (camera, own) => ({
      daemon: chronyd({
        clock: own,
        runtimeFolder: join(root, `${camera}-run`),
        stateFolder: join(root, `${camera}-state`),
        control: 'observe',
        ...(client === undefined ? {} : { client }),
      }),
    }),
  });
  const pidOf = async (camera: Camera): Promise<number> =>
    Number(await readFile(join(root, `${camera}-run`, 'chronyd.pid'), 'utf8'));
  return { ...rig, pidOf };
}

t.test('chronyd of each node: who follows whom is told, and its death does not stop time', async (t) => {
  const rig = await withChronyd(t);
  const chronyOf = (camera: Camera) => rig.nodes[camera].state()?.chrony;
  await until(() => chronyOf('CAM_C')?.state === 'running', 'chronyd of the master');
  t.match(chronyOf('CAM_C'), { reference: '7F7F0101', stratum: 8, offset_ms: 0 });
  await until(() => chronyOf('CAM_R')?.reference === '127.0.0.2', 'chronyd of a follower to follow');
  t.match(chronyOf('CAM_R'), { state: 'running', stratum: 9, reason: null });
  // A busy machine widens both for a moment.
  await until(() => {
    const { disagreement_ms = null, warnings = [] } = rig.nodes.CAM_R.state() ?? {};
    return disagreement_ms !== null && Math.abs(disagreement_ms) < 2 && warnings.length === 0;
  }, 'both to say the same');

  rig.records(true);
  const pid = await rig.pidOf('CAM_R');
  process.kill(pid, 'SIGKILL');
  await until(() => chronyOf('CAM_R')?.state === 'failed', 'its death to be noticed');
  t.match(chronyOf('CAM_R')?.reason, /SIGKILL/);
  t.equal(rig.nodes.CAM_R.state()?.clock.source, 'exchange');
  const { us, boundUs } = off(rig, 'CAM_R');
  t.ok(us <= boundUs, 'time goes on');
  await until(() => chronyOf('CAM_R')?.state === 'running', 'chronyd to be started again');
  t.not(await rig.pidOf('CAM_R'), pid);
});

t.test('garbage from chronyc is told, and believed by nobody', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'touchline-stand-in-'));
  const client = join(folder, 'chronyc');
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await writeFile(client, '#!/bin/sh\necho 7F000001,127.0.0.2,9,yesterday,0,0,0,0,0,0,0,0,0,Normal\n');
  await chmod(client, 0o755);
  const rig = await withChronyd(t, client);
  await until(
    () => follows(rig, 'CAM_L') && rig.nodes.CAM_L.state()?.chrony?.state === 'failed',
    'the failure',
  );
  t.match(rig.nodes.CAM_L.state(), {
    chrony: { offset_ms: null, reason: /the reference time is "yesterday"/ },
    warnings: [{ code: 'time_daemon_failed' }],
    disagreement_ms: null,
  });
});
