import t from 'tap';
import { Problem } from '#contracts/errors.ts';
import { nodeRoutes, pathTo } from '#contracts/routes.ts';
import { memoryBroker } from '#ports/broker/memory-broker.ts';
import { hashPin, newPin, newRigKey } from '#services/api/pin.ts';
import { recordingNode } from '../fixtures/recording-node.ts';
import { openStream } from '../fixtures/sse.ts';

t.test('a rig with a PIN: start, watch and look through another node, and nothing without', async (t) => {
  const pin = newPin();
  const broker = memoryBroker();
  const api = { pin_hash: await hashPin(pin), rig_key: newRigKey() };
  const left = await recordingNode(t, { broker, cameraId: 'CAM_L', settings: { access: 'pin', api } });
  const center = await recordingNode(t, {
    broker,
    settings: {
      access: 'pin',
      api,
      cameras: ['CAM_C', 'CAM_L'],
      broker: { peers: [{ camera_id: 'CAM_L', host: '127.0.0.1' }] },
    },
  });
  const at = (route: string): string => `${center.url}${pathTo(route, { camera_id: 'CAM_L' })}`;
  const closed = [nodeRoutes.events, nodeRoutes.rig, nodeRoutes.cameraPreview, nodeRoutes.cameraRecordings];
  for (const route of closed) {
    const answer = await fetch(at(route));
    t.equal(answer.status, 401, route);
    t.equal(Problem.parse(await answer.json()).code, 'session_required');
  }
  t.match(await (await fetch(at(nodeRoutes.light))).json(), { recording: false });
  t.equal((await fetch(at(nodeRoutes.health))).status, 200, 'the health check of the container');

  const post = (route: string, body: unknown, headers: Record<string, string> = {}) =>
    fetch(at(route), {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: center.url, ...headers },
      body: JSON.stringify(body),
    });
  t.equal((await post(nodeRoutes.rigStart, { session_id: 'Nobody' })).status, 401);
  const opened = await post(nodeRoutes.session, { pin });
  t.same(await opened.json(), { role: 'operator', access: 'pin' });
  const cookie = opened.headers.getSetCookie()[0]?.split(';')[0] ?? '';

  const events = await openStream(at(nodeRoutes.events), { cookie });
  await events.until('the rig', ({ event }) => event === 'rig');
  const picture = await fetch(at(nodeRoutes.cameraPreview), { headers: { cookie } });
  t.equal(picture.status, 200, 'the nodes know each other by the key of the rig');
  await picture.arrayBuffer();
  t.equal(
    (await fetch(`${left.url}${nodeRoutes.preview}`, { headers: { cookie } })).status,
    401,
    'a session is of one node',
  );
  t.equal(
    (await post(nodeRoutes.rigStart, { session_id: 'Foreign' }, { cookie, origin: 'http://evil.example' }))
      .status,
    403,
  );
  t.equal((await post(nodeRoutes.rigStart, { session_id: 'Ours' }, { cookie })).status, 200);
  await center.until('recording', (state) => state.state === 'recording');
  t.equal((await post(nodeRoutes.rigStop, {}, { cookie })).status, 200);

  await fetch(at(nodeRoutes.session), { method: 'DELETE', headers: { cookie } });
  t.equal(
    await events.until('nothing', () => false).catch((error: Error) => error.message),
    'the stream ended before: nothing',
    'what is open ends with the session',
  );
});
