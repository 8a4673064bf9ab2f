import { join } from 'node:path';
import t from 'tap';
import { topics } from '#contracts/topics.ts';
import {
  CAMERAS,
  close,
  ear,
  freePorts,
  LIMIT_MS,
  linked,
  session,
  startCentral,
  startRig,
  until,
} from '../fixtures/bridges.ts';

t.test('the session record settles at the newest, without endless exchange', async (t) => {
  const folder = t.testdir();
  const [centralPort = 0] = await freePorts(1);
  const central = await startCentral(centralPort, join(folder, 'central'));
  const rigs = [await startRig('one', folder, centralPort), await startRig('two', folder, centralPort)];
  for (const rig of rigs) {
    await linked(rig);
    const topic = topics.session(rig.rig);
    const places = await Promise.all(
      [...Object.values(rig.ports), centralPort].map((port) => ear(port, topic)),
    );
    const writers = [];
    for (const camera of CAMERAS) writers.push(await rig.bus(camera, 'sync-agent'));
    // All three write at once: sessions of their own, then revisions of the one that wins.
    const uids = ['01HS0000000000000000000001', '01HS0000000000000000000002', '01HS0000000000000000000003'];
    for (const [index, writer] of writers.entries())
      writer.setSession(session(rig.rig, uids[index] ?? '', 1, CAMERAS[index] ?? 'CAM_L'));
    for (const [index, writer] of writers.entries())
      writer.setSession(session(rig.rig, uids[2] ?? '', 2 + index, CAMERAS[index] ?? 'CAM_L'));
    const settled = () =>
      places.every(({ json }) => json(topic).session_uid === uids[2] && json(topic).revision === 4);
    await until(settled, 'everybody to agree');

    // Quiet is that a whole second passes without a message; an endless exchange never gets there.
    const total = () => places.reduce((sum, { heard }) => sum + heard.length, 0);
    let before = -1;
    const end = Date.now() + LIMIT_MS;
    while (before !== total() && Date.now() < end) {
      before = total();
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
    t.equal(total(), before, 'nothing is exchanged any more');
    t.comment(`messages at left, center, right, central: ${places.map(({ heard }) => heard.length)}`);
    // Six records, brought to each of four places by three writers.
    t.ok(total() <= 6 * 3 * places.length, `${total()} messages`);
    t.ok(settled());
    await close(...places);
  }
  for (const rig of rigs) await rig.stop();
  await central.stop();
});
