import t from 'tap';
import { NodeConfig } from '#contracts/node-config.ts';
import { keepsHostAway } from '#domain/updates/host-hold.ts';
import { NO_UPDATES } from '#domain/updates/machine.ts';

const config = (updates: object): NodeConfig =>
  NodeConfig.parse({
    ...{ version: 1, rig: 'r', camera_id: 'CAM_R', position: 'right', camera: { source: 'test-pattern' } },
    updates: { channel: 'balena', ...updates },
  });

t.test(
  'the Supervisor gets the node when an update is applied, or in the window when none waits',
  async (t) => {
    const inWindow = { inWindow: true, known: true };
    const cases = [
      { what: 'by day', where: { ...inWindow, inWindow: false }, kept: true },
      { what: 'in the window', where: inWindow, kept: false },
      { what: 'in the window, one waits', record: { version: '2.0.0' }, where: inWindow, kept: true },
      { what: 'in the window, unknown whether one waits', where: { ...inWindow, known: false }, kept: true },
      {
        what: 'in the window, but only people apply',
        updates: { automatic: 'never' },
        where: inWindow,
        kept: true,
      },
      {
        what: 'while it is applied, also by a person',
        updates: { automatic: 'never' },
        record: { phase: 'applying' },
        where: { ...inWindow, inWindow: false },
        kept: false,
      },
      {
        what: 'at once, one camera for itself',
        updates: { automatic: 'always', whole_rig: false },
        where: { ...inWindow, inWindow: false },
        kept: false,
      },
      {
        what: 'at once, but the rig together',
        updates: { automatic: 'always' },
        where: { ...inWindow, inWindow: false },
        kept: true,
      },
      { what: 'without balena', updates: { channel: 'none' }, where: inWindow, kept: false },
    ] as const;
    for (const { what, where, kept, ...more } of cases) {
      const record = { ...NO_UPDATES, ...('record' in more ? more.record : {}) };
      const node = { ...config('updates' in more ? more.updates : {}), cameras: ['CAM_L', 'CAM_R'] as const };
      t.equal(keepsHostAway(record, { ...node, cameras: [...node.cameras] }, where), kept, what);
    }
  },
);
