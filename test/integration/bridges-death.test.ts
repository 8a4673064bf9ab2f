import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { topics } from '#contracts/topics.ts';
import { close, ear, freePorts, session, startCentral, startRig, until } from '../fixtures/bridges.ts';

t.test(
  'a node that freezes or is killed with -9 is offline at its peers, and comes back with what it had',
  async (t) => {
    const folder = t.testdir();
    const [centralPort = 0] = await freePorts(1);
    const central = await startCentral(centralPort, join(folder, 'central'));
    const rig = await startRig('pitch', folder, centralPort, ['CAM_R']);
    const file = join(folder, 'right.yaml');
    writeFileSync(file, JSON.stringify({ ...rig.config('CAM_R'), log_level: 'error' }));
    const run = (): ChildProcess =>
      spawn(process.execPath, ['services/broker/main.ts', '--config', file, '--until-stdin-closes'], {
        stdio: ['pipe', 'ignore', 'inherit'],
      });
    const left = await ear(rig.ports.CAM_L);
    const atCentral = await ear(centralPort);
    const availability = topics.availability('pitch', 'CAM_R');
    const both = (state: string) => () =>
      [left, atCentral].every(({ json }) => json(availability).state === state);

    let child = run();
    await until(both('online'), 'the child online at its peers');
    const bus = await rig.bus('CAM_R', 'housekeeper');
    bus.setState('housekeeper', { offload: [], recovering: true });
    const state = topics.state('pitch', 'CAM_R', 'housekeeper');
    await until(() => left.json(state).recovering === true, 'its state at a peer');
    const own = await ear(rig.ports.CAM_R);
    await own.connection.publish(
      topics.session('pitch'),
      JSON.stringify(session('pitch', '01HS0000000000000000000009', 1, 'CAM_R')),
      {
        retain: true,
      },
    );
    await until(() => left.json(topics.session('pitch')).revision === 1, 'the session at a peer');
    await close(own);

    // A frozen node closes no connection: the brokers notice its silence.
    child.kill('SIGSTOP');
    await until(both('offline'), 'the frozen node offline at its peers');
    child.kill('SIGCONT');
    await until(both('online'), 'the node online again when it goes on');
    t.pass('frozen is offline too, and comes back');

    child.kill('SIGKILL');
    await once(child, 'exit');
    await until(both('offline'), 'the killed node offline at its peers');
    t.pass('offline at peer and central');

    // The peer's record goes on meanwhile; the node gets it when it is back, and does not overwrite it.
    await left.connection.publish(
      topics.session('pitch'),
      JSON.stringify(session('pitch', '01HS0000000000000000000009', 2, 'CAM_L')),
      {
        retain: true,
      },
    );
    child = run();
    await until(both('online'), 'the child online again');
    await until(() => bus.connected, 'its service to reconnect');
    const after = await ear(rig.ports.CAM_R);
    await until(() => after.json(topics.session('pitch')).revision === 2, 'the newer session at the node');
    await until(() => after.json(state).recovering === true, 'the state of the service that went on');
    t.equal(
      left.json(topics.session('pitch')).revision,
      2,
      'its older record was not pushed over the newer one',
    );
    await close(after, left, atCentral);
    child.stdin?.end();
    const [code] = await once(child, 'exit');
    t.equal(code, 0, 'ends cleanly when its parent goes');
    await rig.stop();
    await central.stop();
  },
);
