import { join } from 'node:path';
import t from 'tap';
import type { BrokerState } from '#contracts/states.ts';
import { topics } from '#contracts/topics.ts';
import {
  CAMERAS,
  close,
  ear,
  freePorts,
  linked,
  startCentral,
  startRig,
  until,
} from '../fixtures/bridges.ts';

t.test('three nodes and central', async (t) => {
  const folder = t.testdir();
  const [centralPort = 0] = await freePorts(1);
  let central = await startCentral(centralPort, join(folder, 'central'));
  const rig = await startRig('pitch', folder, centralPort);
  await linked(rig);
  const everywhere = await Promise.all([...Object.values(rig.ports), centralPort].map((port) => ear(port)));
  const [left, center, right, atCentral] = everywhere as [
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
    Awaited<ReturnType<typeof ear>>,
  ];

  await t.test('what a node says is heard everywhere, once', async (t) => {
    for (const place of everywhere)
      for (const camera of CAMERAS)
        await until(
          () => place.json(topics.availability('pitch', camera)).state === 'online',
          `${camera} online everywhere`,
        );
    const bus = await rig.bus('CAM_L', 'housekeeper');
    const state = topics.state('pitch', 'CAM_L', 'housekeeper');
    bus.setState('housekeeper', { offload: [], recovering: false });
    const event = topics.event('pitch', 'CAM_L', 'offload/finished');
    const uid = '01HS0000000000000000000000';
    for (let part = 1; part <= 5; part++)
      bus.emit('offload/finished', { session_uid: uid, session_id: 'GAME', part });
    for (const place of everywhere) {
      await until(() => place.json(state).online === true, 'the state');
      await until(() => place.count(event) === 5, 'the events');
      t.same(
        place.heard.filter(({ topic }) => topic === event).map(({ payload }) => JSON.parse(payload).part),
        [1, 2, 3, 4, 5],
      );
      t.equal(place.count(state), 1);
    }
    const late = await ear(rig.ports.CAM_R, state);
    await until(() => late.json(state).run_id === bus.runId, 'the state, retained at a peer');
    await close(late);
  });

  await t.test('commands go to the node they name, and to all, once', async (t) => {
    const runs: string[] = [];
    const recorders = [];
    for (const camera of CAMERAS) {
      const bus = await rig.bus(camera, 'recorder');
      bus.handle('stop', async (_input, { id, rigWide }) => {
        runs.push(`${camera} ${id} ${rigWide}`);
        return { camera_id: camera, state: 'idle', session_uid: null };
      });
      recorders.push(bus);
    }
    const keeper = await rig.bus('CAM_R', 'housekeeper');
    keeper.handle('offload', async () => ({ queued: 5 }));
    const asking = await rig.bus('CAM_C', 'sync-agent');

    const answer = await asking.request('CAM_R', 'stop', {}, { timeoutMs: 5000, id: 'one' });
    t.same(answer, { camera_id: 'CAM_R', state: 'idle', session_uid: null }, 'a rig command reaches a peer');
    t.same(runs.splice(0), ['CAM_R one false']);

    await t.rejects(asking.request('CAM_R', 'offload', {}, { timeoutMs: 300 }), { code: 'peer_silent' });
    const counted = () =>
      (center.json(topics.state('pitch', 'CAM_C', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'CAM_R',
      )?.commands_dropped;
    await until(() => counted() === 1, 'the refused command to be counted');
    t.equal(
      await keeper.request('CAM_R', 'offload', {}, { timeoutMs: 5000 }).then(({ queued }) => queued),
      5,
    );

    await left.connection.publish(topics.command('pitch', 'all', 'stop'), '{"id":"everybody"}', {
      retain: false,
    });
    for (const place of everywhere)
      for (const camera of CAMERAS)
        await until(
          () => place.count(topics.reply('pitch', camera, 'everybody')) === 1,
          'each reply everywhere',
        );
    t.same(runs.splice(0).sort(), ['CAM_C everybody false', 'CAM_L everybody true', 'CAM_R everybody false']);

    await atCentral.connection.publish(topics.command('pitch', 'CAM_R', 'offload'), '{"id":"from-above"}', {
      retain: false,
    });
    const reply = topics.reply('pitch', 'CAM_R', 'from-above');
    await until(() => atCentral.json(reply).ok === true, 'the reply at central');
    await atCentral.connection.publish(topics.command('pitch', 'all', 'stop'), '{"id":"all-from-above"}', {
      retain: false,
    });
    await until(() => runs.length === 3, 'three nodes to obey central');
    t.same(runs.splice(0).sort(), CAMERAS.map((camera) => `${camera} all-from-above false`).sort());

    await left.connection.publish(topics.command('pitch', 'CAM_C', 'stop'), '{"id":"kept"}', {
      retain: true,
    });
    await left.connection.publish(topics.command('pitch', 'CAM_C', 'stop'), '{"id":"next"}', {
      retain: false,
    });
    await until(() => runs.length > 0, 'the command after the retained one');
    t.same(runs.splice(0), ['CAM_C next false'], 'a retained command does not pass');

    // Nothing is left that could still go in circles: each place has seen each command topic a fixed number of times.
    const commandsAt = (place: typeof left) =>
      place.heard.filter(({ topic, payload }) => topic.includes('/cmd/') && payload.includes('everybody'))
        .length;
    t.same(
      everywhere.map(commandsAt),
      [1, 1, 1, 0],
      'left has it on "all", the others on their own topic, central not at all',
    );
    t.equal(recorders.length, 3);
  });

  await t.test('what was said while central was away arrives when it is back; commands do not', async (t) => {
    const emitter = await rig.bus('CAM_L', 'recorder');
    const uid = '01HS0000000000000000000001';
    for (const camera of CAMERAS)
      await until(
        () => atCentral.count(topics.reply('pitch', camera, 'all-from-above')) === 1,
        'the last replies to be out of the queues',
      );
    await close(atCentral);
    await central.stop();
    const link = () =>
      (left.json(topics.state('pitch', 'CAM_L', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'central',
      );
    await until(() => link()?.connected === false, 'the link to be seen down');
    for (let part = 1; part <= 25; part++)
      emitter.emit('recording/finished', {
        session_uid: uid,
        session_id: 'AWAY',
        part,
        manifest: 'm.json',
        recovered: false,
      });
    await until(() => link()?.dropped === 5, 'the oldest five of twenty-five to be dropped and counted');
    t.ok((link()?.queued ?? 0) >= 20, 'the others wait');

    central = await startCentral(centralPort, join(folder, 'central'));
    const back = await ear(centralPort);
    const event = topics.event('pitch', 'CAM_L', 'recording/finished');
    await until(() => back.count(event) >= 20, 'the events at central');
    t.same(
      back.heard.filter(({ topic }) => topic === event).map(({ payload }) => JSON.parse(payload).part),
      Array.from({ length: 20 }, (_, n) => n + 6),
      'in order, the oldest gone',
    );
    for (const camera of CAMERAS)
      await until(
        () => back.json(topics.availability('pitch', camera)).state === 'online',
        `${camera} online again`,
      );
    await until(() => link()?.connected === true && link()?.queued === 0, 'the link to be seen up');
    await close(back);
  });

  await t.test('a node that stops is offline everywhere, and its last states with it', async (t) => {
    const last = rig.brokers.get('CAM_R');
    await close(right);
    await last?.stop();
    rig.brokers.delete('CAM_R');
    await until(() => left.json(topics.availability('pitch', 'CAM_R')).state === 'offline', 'CAM_R offline');
    const link = () =>
      (left.json(topics.state('pitch', 'CAM_L', 'broker')) as BrokerState).links.find(
        ({ name }) => name === 'CAM_R',
      );
    await until(() => link()?.connected === false, 'the link to CAM_R to be down');
    const asking = await rig.bus('CAM_L', 'sync-agent');
    const before = link()?.commands_dropped ?? 0;
    await asking.request('CAM_R', 'stop', {}, { timeoutMs: 200 }).catch(() => undefined);
    await until(() => link()?.commands_dropped === before + 1, 'the command to be dropped and counted');
    t.equal(left.json(topics.state('pitch', 'CAM_R', 'broker')).online, false, 'its broker said goodbye');
  });

  await close(left, center);
  await rig.stop();
  await central.stop();
});
