import t from 'tap';
import { brokerConformance } from '#ports/broker/conformance.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';

t.test('the broker in memory behaves like a broker', async (t) => {
  const broker = memoryBroker();
  await brokerConformance(t, {
    broker,
    sever: (clientId) => broker.drop(clientId),
    down: async () => broker.down(),
    up: async () => broker.up(),
  });
});

t.test('a killed program leaves its will and never comes back', async (t) => {
  const broker = memoryBroker();
  const connection = broker.connect({ clientId: 'a', will: { topic: 'a', payload: 'gone' } });
  const seen: boolean[] = [];
  connection.onConnected((connected) => seen.push(connected));
  await new Promise((resolve) => setImmediate(resolve));
  broker.kill('a');
  broker.down();
  broker.up();
  await new Promise((resolve) => setImmediate(resolve));
  t.same(seen, [false, true, false]);
  t.equal(broker.retained('a'), 'gone');
  t.throws(() => broker.drop('a'), { code: 'not_found' });
});
