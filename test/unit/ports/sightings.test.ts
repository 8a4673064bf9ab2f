import t from 'tap';
import { announcement } from '#ports/discovery/conformance.ts';
import type { Sighting } from '#ports/discovery/discovery.ts';
import { nearness } from '#ports/discovery/nearness.ts';
import { createSightings, HOSTS_MAX, NODES_MAX } from '#ports/discovery/sightings.ts';

function listening() {
  const on = { nowUs: 0, others: [] as readonly Sighting[] };
  const sightings = createSightings({ monoUs: () => on.nowUs }, (others) => {
    on.others = others;
  });
  return { on, sightings };
}

t.test('whoever fills the air with names fills no memory', async (t) => {
  const { on, sightings } = listening();
  sightings.heard('ours', announcement(), '10.42.7.2');
  for (let n = 0; n < 5000; n++)
    sightings.heard(`name ${n}`, announcement({ hardware_id: `board-${n}` }), '10.42.7.9');
  sightings.settle();
  t.equal(on.others.length, NODES_MAX);
  t.equal(on.others[0]?.host, '10.42.7.2', 'who was there stays');
  on.nowUs = 30e6;
  sightings.heard('ours', announcement(), '10.42.7.2');
  on.nowUs = 40e6;
  sightings.settle();
  t.equal(on.others.length, 1, 'the others vanish');
  sightings.heard('late', announcement({ camera_id: 'CAM_R' }), '10.42.7.3');
  sightings.settle();
  t.equal(on.others.length, 2, 'and there is room again');
});

t.test('one node has so many addresses', async (t) => {
  const { on, sightings } = listening();
  let asked = 0;
  for (let n = 0; n < 200; n++) sightings.heard('ours', announcement(), `10.42.7.${n}`);
  sightings.keepHosts(() => {
    asked++;
    return true;
  });
  t.equal(asked, HOSTS_MAX);
  sightings.settle();
  t.equal(on.others[0]?.host, '10.42.7.0');
});

t.test('only who is on a network of this machine is heard', async (t) => {
  const { on, sightings } = listening();
  const own = [
    { address: '10.42.7.1', prefix: 24 },
    { address: '192.168.1.5', prefix: 28 },
  ];
  sightings.keepHosts(nearness(own));
  sightings.heard('near', announcement(), '192.168.1.14');
  sightings.heard('far', announcement({ hardware_id: 'far' }), '192.168.1.16');
  sightings.heard('abroad', announcement({ hardware_id: 'abroad' }), '203.0.113.7');
  sightings.heard('odd', announcement({ hardware_id: 'odd' }), 'fe80::1');
  sightings.settle();
  t.same(
    on.others.map(({ host }) => host),
    ['192.168.1.14'],
  );
});
